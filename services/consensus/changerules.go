package consensus

import (
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// The rules of which members may be added, removed and promoted, so that no change costs the quorum.

// mayAdd refuses a voter where its absence could cost the quorum: it counts as soon as it is added, and is not started
// yet. A single member may always become two, as there is no other way to grow. As with etcd, a quorum of the enlarged
// cluster must be connected without the new one, also for a learner: that is there to become a voter.
func (m *membership) mayAdd(learner bool) error {
	voters, started := countVoters(m.list(), raft.None)
	if !learner && (voters != 1 || started != 1) && started < quorum(voters+1) {
		return errdefs.ErrNotEnoughStarted
	}
	if voters != 1 && m.connected() < quorum(voters+1) {
		return errdefs.ErrUnhealthy
	}
	return nil
}

// mayRemove refuses to remove a member where those that remain could have no quorum.
func (m *membership) mayRemove(id uint64) error {
	if m.wasRemoved(id) {
		return errdefs.ErrMemberRemoved
	}
	member := m.find(id)
	if member == nil {
		return errdefs.ErrMemberNotFound
	}
	if member.GetIsLearner() {
		return nil
	}
	voters, started := countVoters(m.list(), id)
	if voters == 0 || started < quorum(voters) {
		return errdefs.ErrNotEnoughStarted
	}
	if !m.reachable(id, time.Now()) {
		return nil // to remove a member that is down only helps
	}
	if m.connected()-1 < quorum(voters) {
		return errdefs.ErrUnhealthy
	}
	return nil
}

// mayPromote refuses to let a member vote that is not there yet, as the leader's raft knows it, or, unless lax, where that could
// cost the quorum.
func (m *membership) mayPromote(id uint64, status raft.Status, lax bool) error {
	if status.RaftState != raft.StateLeader {
		return errdefs.ErrNotLeader
	}
	member := m.find(id)
	switch {
	case member == nil:
		return errdefs.ErrMemberNotFound
	case !member.GetIsLearner():
		return errdefs.ErrNotLearner
	case !caughtUp(status.Progress, m.self, id):
		return errdefs.ErrLearnerNotReady
	}
	if lax {
		return nil
	}
	voters, started := countVoters(m.list(), raft.None)
	if member.GetName() != "" {
		started++
	}
	if started < quorum(voters+1) {
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

func quorum(voters int) int { return voters/2 + 1 }

// connected counts the voters that have been reachable for a while, this member among them.
func (m *membership) connected() int {
	n := 0
	since := time.Now().Add(-healthyAfter)
	for _, member := range m.list() {
		if !member.GetIsLearner() && m.reachable(member.GetId(), since) {
			n++
		}
	}
	return n
}

func (m *membership) reachable(id uint64, since time.Time) bool {
	if id == m.self {
		return true
	}
	active, ok := m.transport.ActiveSince(id)
	return ok && !active.After(since)
}

// connectedToQuorum tells whether enough voters have been reachable since.
func (m *membership) connectedToQuorum(since time.Time) bool {
	voters, connected := 0, 0
	for _, member := range m.list() {
		if member.GetIsLearner() {
			continue
		}
		voters++
		if m.reachable(member.GetId(), since) {
			connected++
		}
	}
	return connected >= quorum(voters)
}
