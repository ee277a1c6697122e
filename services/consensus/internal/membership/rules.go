package membership

import (
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// The rules of which members may be added, removed and promoted, so that no change costs the quorum.

// healthyAfter is how long a member must have been reachable to count as connected, as with etcd.
const healthyAfter = 5 * time.Second

// Situation is all that the rules go by: who belongs to the cluster, and who can be reached.
type Situation struct {
	Version *consensusv1.MembersResponse
	Self    uint64
	Now     time.Time
	// ReachedSince is since when members can be reached. Those that cannot are not in it, nor need Self be.
	ReachedSince map[uint64]time.Time
}

// Reachable tells whether a member can be reached, and could since a time.
func (s Situation) Reachable(id uint64, since time.Time) bool {
	if id == s.Self {
		return true
	}
	reached, ok := s.ReachedSince[id]
	return ok && !reached.After(since)
}

// ConnectedToQuorum tells whether enough voters have been reachable since a time.
func (s Situation) ConnectedToQuorum(since time.Time) bool {
	voters, _ := countVoters(s.Version.GetMembers(), raft.None)
	return s.reachableVoters(since) >= Quorum(voters)
}

// connected counts the voters that have been reachable for a while, this member among them.
func (s Situation) connected() int { return s.reachableVoters(s.Now.Add(-healthyAfter)) }

func (s Situation) reachableVoters(since time.Time) int {
	n := 0
	for _, member := range s.Version.GetMembers() {
		if !member.GetIsLearner() && s.Reachable(member.GetId(), since) {
			n++
		}
	}
	return n
}

// MayAdd refuses a voter where its absence could cost the quorum: it counts as soon as it is added, and is not started
// yet. A single member may always become two, as there is no other way to grow. As with etcd, a quorum of the enlarged
// cluster must be connected without the new one, also for a learner: that is there to become a voter.
func MayAdd(s Situation, learner bool) error {
	voters, started := countVoters(s.Version.GetMembers(), raft.None)
	if !learner && (voters != 1 || started != 1) && started < Quorum(voters+1) {
		return errdefs.ErrNotEnoughStarted
	}
	if voters != 1 && s.connected() < Quorum(voters+1) {
		return errdefs.ErrUnhealthy
	}
	return nil
}

// MayRemove refuses to remove a member where those that remain could have no quorum.
func MayRemove(s Situation, id uint64) error {
	if wasRemoved(s.Version, id) {
		return errdefs.ErrMemberRemoved
	}
	member := Find(s.Version, id)
	if member == nil {
		return errdefs.ErrMemberNotFound
	}
	if member.GetIsLearner() {
		return nil
	}
	voters, started := countVoters(s.Version.GetMembers(), id)
	if voters == 0 || started < Quorum(voters) {
		return errdefs.ErrNotEnoughStarted
	}
	if !s.Reachable(id, s.Now) {
		return nil // to remove a member that is down only helps
	}
	if s.connected()-1 < Quorum(voters) {
		return errdefs.ErrUnhealthy
	}
	return nil
}

// MayPromote refuses to let a member vote that is not there yet, as the leader's raft knows it, or, unless lax, where that could
// cost the quorum.
func MayPromote(s Situation, id uint64, status raft.Status, lax bool) error {
	if status.RaftState != raft.StateLeader {
		return errdefs.ErrNotLeader
	}
	member := Find(s.Version, id)
	switch {
	case member == nil:
		return errdefs.ErrMemberNotFound
	case !member.GetIsLearner():
		return errdefs.ErrNotLearner
	case !caughtUp(status.Progress, s.Self, id):
		return errdefs.ErrLearnerNotReady
	}
	if lax {
		return nil
	}
	voters, started := countVoters(s.Version.GetMembers(), raft.None)
	if member.GetName() != "" {
		started++
	}
	if started < Quorum(voters+1) {
		return errdefs.ErrNotEnoughStarted
	}
	return nil
}

// caughtUp is etcd's measure: a learner that has nine tenths of the leader's log is ready.
func caughtUp(progress map[uint64]tracker.Progress, leader, learner uint64) bool {
	return float64(progress[learner].Match) >= 0.9*float64(progress[leader].Match)
}

// countVoters counts the voters other than one, and those of them that have made themselves known.
func countVoters(members []*consensusv1.Member, except uint64) (voters, started int) {
	for _, member := range members {
		if member.GetIsLearner() || member.GetId() == except {
			continue
		}
		voters++
		if member.GetName() != "" {
			started++
		}
	}
	return voters, started
}

// Quorum is how many of so many voters decide.
func Quorum(voters int) int { return voters/2 + 1 }
