package consensus

import (
	"maps"
	"slices"

	"go.etcd.io/raft/v3"
)

const (
	// standTicks is how long a follower waits from the moment that it knows its leader to be gone: the other voters need
	// to know as well before they vote, and they hear of it by themselves at about the same time.
	standTicks = 2
	// standSpacing is how much longer each further voter waits, so that the one before it has either won or failed. It
	// takes two rounds of messages to win.
	standSpacing = 2
)

// succession is how a follower replaces a leader that is gone, sooner than raft would: raft lets each follower wait for a
// random time between one and two election timeouts, so that few stand at once. Here they stand in the order of their
// ids, a few ticks apart, and begin
//
//   - when an election timeout has passed in silence, or
//   - right away when the leader's process is known to have ended: its connections broke and nothing listens where it did.
//     The follower forgets the leader then, and with it the promise not to vote against it.
//
// An election is still decided by raft, with its pre-vote: one that was begun in error, by one follower alone, changes
// nothing as long as the majority hears from the leader. Where all this finds nobody, raft's own timer goes on.
type succession struct {
	// heard is the tick at which the leader was last heard of.
	heard int
	// standAt is the tick at which to stand for election, 0 for not.
	standAt int
}

// leaderHeard notes a sign of life of the leader, or that there is another one.
func (s *succession) leaderHeard(ticks int) { s.heard, s.standAt = ticks, 0 }

// replaceLeader has the leader forgotten and an election held soon, if id leads and this member follows it.
func (r *replica) replaceLeader(node *raft.RawNode, id uint64) {
	status := node.BasicStatus()
	if id == raft.None || id == r.id || status.Lead != id || status.RaftState != raft.StateFollower {
		return
	}
	rank, voter := r.rank(id)
	if err := node.ForgetLeader(); err != nil || !voter {
		return
	}
	r.log.Info("the leader's process has ended, another one is elected", "leader", memberID(id), "term", status.HardState.GetTerm(), "rank", rank)
	r.succession.standAt = r.ticks + standTicks + standSpacing*rank
}

// rank is this member's place among the voters that are left without the leader; false if it does not vote.
func (r *replica) rank(leader uint64) (int, bool) {
	voters := slices.Sorted(maps.Keys(r.node.Status().Config.Voters.IDs()))
	voters = slices.DeleteFunc(voters, func(id uint64) bool { return id == leader })
	return slices.BinarySearch(voters, r.id)
}

// stand begins an election when it is this member's turn.
func (r *replica) stand() {
	s := &r.succession
	switch leader := r.position.leader.Load(); {
	case leader == r.id:
		return
	case s.standAt != 0:
		if r.ticks < s.standAt {
			return
		}
		s.standAt = 0
	case leader != raft.None:
		silent := r.ticks - s.heard
		if silent <= r.settings.electionTicks {
			return
		}
		if rank, voter := r.rank(leader); !voter || silent != r.settings.electionTicks+1+standSpacing*rank {
			return
		}
	default:
		return
	}
	if r.node.BasicStatus().RaftState != raft.StateFollower {
		return // raft's timer was faster
	}
	_ = r.node.Campaign() // refused where a change of members is not applied yet: raft's timer tries again
}
