package consensus

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.etcd.io/raft/v3"

	"github.com/quoratedb/quorate/pkg/problem"
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

// HandOver gives leadership away, if this member leads, so that the cluster need not wait for an election when it stops: to
// the voter that is furthest along, and to the next one if that does not take it at once. A member with a corrupt state does
// not get it. It returns once another member leads, or with why none does.
func (m *Member) HandOver(ctx context.Context) error {
	var tried []uint64
	for {
		var status raft.Status
		if err := m.replica.call(ctx, func(node *raft.RawNode) { status = node.Status() }); err != nil {
			return err
		}
		if status.RaftState != raft.StateLeader {
			if len(tried) == 0 {
				return nil
			}
			return m.awaitSuccessor(ctx)
		}
		candidates := slices.DeleteFunc(m.replica.successors(status), func(id uint64) bool {
			return m.store().Corrupt(id) || slices.Contains(tried, id)
		})
		if len(candidates) == 0 {
			if len(tried) == 0 {
				return nil // nobody is there to take it
			}
			return m.awaitSuccessor(ctx) // one of those that were tried may still be about to
		}
		tried = append(tried, candidates[0])
		if err := m.replica.call(ctx, func(node *raft.RawNode) { node.TransferLeader(candidates[0]) }); err != nil {
			return err
		}
		if err := m.awaitLeader(ctx, m.electionTimeout()/handOverTries, func(leader uint64) bool { return leader != m.cfg.MemberID }); err != nil {
			return err
		}
	}
}

// awaitSuccessor waits until another member leads. An election takes an election timeout or two.
func (m *Member) awaitSuccessor(ctx context.Context) error {
	other := func(leader uint64) bool { return leader != raft.None && leader != m.cfg.MemberID }
	if err := m.awaitLeader(ctx, 2*m.electionTimeout(), other); err != nil {
		return err
	}
	if leader, _ := m.Leader(); !other(leader) {
		return fmt.Errorf("hand leadership over: %w", problem.ErrTimeout)
	}
	return nil
}

// awaitLeader waits until the leader is as wanted, at most for so long. Its error is that of ctx, or that the member stops.
func (m *Member) awaitLeader(ctx context.Context, most time.Duration, wanted func(leader uint64) bool) error {
	limit := m.cfg.Clock.NewTicker(most)
	defer limit.Stop()
	for {
		leader, changed := m.Leader()
		if wanted(leader) {
			return nil
		}
		select {
		case <-changed:
		case <-limit.C():
			return nil
		case <-ctx.Done():
			return fmt.Errorf("hand leadership over: %w", context.Cause(ctx))
		case <-m.stopped:
			return fmt.Errorf("hand leadership over: %w", problem.ErrStopped)
		}
	}
}

// successors are the voters that can be reached now, the best first: those that have answered the leader lately, then those
// that are furthest along, then by id.
func (r *replica) successors(status raft.Status) []uint64 {
	var found []uint64
	for id, progress := range status.Progress {
		if _, connected := r.transport.ActiveSince(id); id != r.id && !progress.IsLearner && connected {
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
