package consensus

import (
	"context"
	"maps"
	"sync"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// leadership tells who leads in which term, and wakes those who wait for it, or for the member's standing, to change. The
// replica moves it.
type leadership struct {
	mu struct {
		sync.Mutex
		leader, term uint64
		changed      chan struct{}
	}
}

func newLeadership() *leadership {
	l := &leadership{}
	l.mu.changed = make(chan struct{})
	return l
}

func (l *leadership) set(leader, term uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.leader == leader && l.mu.term == term {
		return
	}
	l.mu.leader, l.mu.term = leader, term
	close(l.mu.changed)
	l.mu.changed = make(chan struct{})
}

// Leader returns who leads, 0 for nobody, and a channel that is closed when that may have changed.
func (m *Member) Leader() (id uint64, changed <-chan struct{}) {
	l := m.replica.leadership
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.leader, l.mu.changed
}

// announce wakes those who wait for a change.
func (l *leadership) announce() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.mu.changed)
	l.mu.changed = make(chan struct{})
}

// Standing is Leader, with the term, for those who look for a member that serves: one whose state is corrupt knows no leader.
func (m *Member) Standing() (leader, term uint64, changed <-chan struct{}) {
	l := m.replica.leadership
	l.mu.Lock()
	leader, term, changed = l.mu.leader, l.mu.term, l.mu.changed
	l.mu.Unlock()
	if m.trusted() != nil {
		leader = raft.None
	}
	return leader, term, changed
}

// HandOver gives leadership to the voter that is furthest along, if this member leads, so that the cluster need not
// wait for an election when it stops. A member with a corrupt state does not get it. It returns once another member
// leads, or with why none does.
func (m *Member) HandOver(ctx context.Context) error {
	var status raft.Status
	if err := m.replica.call(ctx, func(node *raft.RawNode) { status = node.Status() }); err != nil {
		return err
	}
	if status.RaftState != raft.StateLeader {
		return nil
	}
	maps.DeleteFunc(status.Progress, func(id uint64, _ tracker.Progress) bool { return m.store().Corrupt(id) })
	best := successor(status, m.cfg.MemberID)
	if best == raft.None {
		return nil // nobody is there to take it
	}
	_, err := m.MoveLeader(ctx, &consensusv1.MoveLeaderRequest{Id: best})
	return err
}

// successor is the voter that is furthest along of those that have answered the leader lately, None if there is none.
func successor(status raft.Status, leader uint64) uint64 {
	var best, match uint64
	for id, progress := range status.Progress {
		if id != leader && !progress.IsLearner && progress.RecentActive && (best == raft.None || progress.Match > match) {
			best, match = id, progress.Match
		}
	}
	return best
}
