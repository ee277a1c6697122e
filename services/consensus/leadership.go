package consensus

import (
	"context"

	"go.etcd.io/raft/v3"
)

// Leader returns who leads, 0 for nobody, and a channel that is closed when that may have changed.
func (m *Member) Leader() (id uint64, changed <-chan struct{}) {
	id, _, changed = m.replica.Standing()
	return id, changed
}

// Standing is Leader, with the term, for those who look for a member that serves: one whose state is corrupt knows no leader.
func (m *Member) Standing() (leader, term uint64, changed <-chan struct{}) {
	leader, term, changed = m.replica.Standing()
	if m.trust.Check() != nil {
		leader = raft.None
	}
	return leader, term, changed
}

// HandOver gives leadership away, if this member leads, so that the cluster need not wait for an election when it stops: to
// the voter that is furthest along, and to the next one if that does not take it at once. A member with a corrupt state does
// not get it. It returns once another member leads, or with why none does.
func (m *Member) HandOver(ctx context.Context) error {
	return m.replica.HandOver(ctx, m.gate.Corrupt)
}
