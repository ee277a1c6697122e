package replication

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"

	"go.etcd.io/raft/v3"

	"github.com/quoratedb/quorate/pkg/identity"
)

const (
	// standTicks is how long a follower waits from the moment that it knows its leader to be gone: the other voters need
	// to know as well before they vote, and they hear of it by themselves at about the same time.
	standTicks = 2
	// standSpacing is how much longer each further voter waits, so that the one before it has either won or failed. It
	// takes two rounds of messages to win.
	standSpacing = 2
)

// election is how a follower replaces a leader that is gone, sooner than raft would: raft lets each follower wait for a
// random time between one and two election timeouts, so that few stand at once. Here they stand in the order of their
// ids, a few ticks apart, and begin
//
//   - when an election timeout has passed in silence, or
//   - right away when the leader's process is known to have ended: its connections broke and nothing listens where it did.
//     The follower forgets the leader then, and with it the promise not to vote against it.
//
// An election is still decided by raft, with its pre-vote: one that was begun in error, by one follower alone, changes
// nothing as long as the majority hears from the leader. Where all this finds nobody, raft's own timer goes on.
type election struct {
	// heard is the tick at which the leader was last heard of.
	heard int
	// standAt is the tick at which to stand for election, 0 for not, as the one of a rank among those that do.
	standAt, rank int
	// term is the newest term that was seen while waiting to stand.
	term uint64
}

// leaderHeard notes a sign of life of the leader, or that there is another one.
func (e *election) leaderHeard(ticks int) { e.heard, e.standAt = ticks, 0 }

// leaderEnded notes that the leader of a term has ended, of whose followers this is the one of a rank.
func (e *election) leaderEnded(ticks, rank int, term uint64) {
	e.standAt, e.rank, e.term = ticks+standTicks+standSpacing*rank, rank, term
}

// termSeen notes raft's term. If it is a newer one, another member stands: it has this member's vote or that of others, and is given
// the time to win. Without that, the second would depose the first where messages take longer than standSpacing.
func (e *election) termSeen(ticks int, term uint64) {
	if e.standAt != 0 && term > e.term {
		e.leaderEnded(ticks, e.rank, term)
	}
}

// stands tells whether it is this member's turn to stand for election. rank is its place among the voters that are left
// without a leader, false if it does not vote.
func (e *election) stands(ticks, electionTicks int, self, leader uint64, rank func(leader uint64) (int, bool)) bool {
	switch {
	case leader == self:
		return false
	case e.standAt != 0:
		if ticks < e.standAt {
			return false
		}
		e.standAt = 0
		return true
	case leader != raft.None:
		silent := ticks - e.heard
		if silent <= electionTicks {
			return false
		}
		place, voter := rank(leader)
		return voter && silent == electionTicks+1+standSpacing*place
	}
	return false
}

// leaderEnded has the leader forgotten and an election held soon, if id leads and this member follows it.
func (r *stepper) leaderEnded(id uint64) {
	status := r.node.BasicStatus()
	if id == raft.None || id == r.id || status.Lead != id || status.RaftState != raft.StateFollower {
		return
	}
	rank, voter := r.rank(id)
	if err := r.node.ForgetLeader(); err != nil || !voter {
		return
	}
	r.tell(slog.LevelInfo, "the leader's process has ended, another one is elected", "leader", identity.Format(id), "term", status.HardState.GetTerm(), "rank", rank)
	r.election.leaderEnded(r.ticks, rank, status.HardState.GetTerm())
}

// rank is this member's place among the voters that are left without the leader; false if it does not vote.
func (r *stepper) rank(leader uint64) (int, bool) {
	voters := slices.Sorted(maps.Keys(r.node.Status().Config.Voters.IDs()))
	voters = slices.DeleteFunc(voters, func(id uint64) bool { return id == leader })
	return slices.BinarySearch(voters, r.id)
}

// giveAway has leadership, if it is here, taken by another voter: by the next one with each attempt.
func (r *stepper) giveAway(attempt int, reason string) {
	status := r.node.Status()
	if status.RaftState != raft.StateLeader {
		return
	}
	found := successors(status, r.id, r.connected)
	if len(found) == 0 {
		return
	}
	to := found[attempt%len(found)]
	r.tell(slog.LevelWarn, "leadership is given to another member", "to", identity.Format(to), "reason", reason)
	r.node.TransferLeader(to)
}

// successors are the voters that can be reached now, the best first: those that have answered the leader lately, then those
// that are furthest along, then by id.
func successors(status raft.Status, self uint64, connected func(uint64) bool) []uint64 {
	var found []uint64
	for id, progress := range status.Progress {
		if id != self && !progress.IsLearner && connected(id) {
			found = append(found, id)
		}
	}
	slices.SortFunc(found, func(a, b uint64) int {
		pa, pb := status.Progress[a], status.Progress[b]
		switch {
		case pa.RecentActive && !pb.RecentActive:
			return -1
		case pb.RecentActive && !pa.RecentActive:
			return 1
		}
		return cmp.Or(cmp.Compare(pb.Match, pa.Match), cmp.Compare(a, b))
	})
	return found
}
