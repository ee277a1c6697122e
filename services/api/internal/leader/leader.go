// Package leader refuses calls that want a leader while the cluster has none, and ends streams that want one once it
// has had none for a while. A client wants one by the metadata of etcd's WithRequireLeader. What else a call needs is
// not looked at: a request without that metadata waits for a leader as long as its time allows.
//
// A member whose state is corrupt has none to offer to whoever wants a leader: clients go elsewhere then. Watches, which
// would be silent there for ever, end in any case.
package leader

import (
	"context"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/headers"
)

// looksUntilLost is how often in a row nobody must be seen to lead until streams end, as with etcd.
const looksUntilLost = 3

// Consensus is asked who leads.
type Consensus interface {
	Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error)
}

// Monitor knows the streams that want a leader. Its methods may be called concurrently.
type Monitor struct {
	consensus Consensus
	interval  time.Duration

	mu struct {
		sync.Mutex
		streams map[*stream]struct{}
	}
	// first tells Run that there is a stream to look after.
	first chan struct{}
}

type stream struct {
	end context.CancelCauseFunc
	// wanting and watching tell what ends it: that nobody leads, or that the state is corrupt.
	wanting, watching bool
}

// ending is with what the stream ends when the state is corrupt.
func (s *stream) ending() error {
	if s.wanting {
		return rpctypes.ErrGRPCNoLeader
	}
	return rpctypes.ErrGRPCCorrupt
}

// New returns a monitor that ends streams after the cluster has had no leader for lossTime.
func New(consensus Consensus, lossTime time.Duration) *Monitor {
	m := &Monitor{consensus: consensus, interval: max(lossTime/looksUntilLost, time.Millisecond), first: make(chan struct{}, 1)}
	m.mu.streams = make(map[*stream]struct{})
	return m
}

// Run looks after the streams until ctx ends. It asks nobody while there are none.
func (m *Monitor) Run(ctx context.Context) {
	for {
		select {
		case <-m.first:
		case <-ctx.Done():
			return
		}
		m.look(ctx)
	}
}

// look returns when there is no stream left, or ctx ended.
func (m *Monitor) look(ctx context.Context) {
	ticker := time.NewTicker(m.interval)
	defer ticker.Stop()
	for missed := 0; m.streams() > 0; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		led, corrupt := m.state(ctx)
		if corrupt {
			m.endAll(func(*stream) bool { return true })
		}
		if led {
			missed = 0
			continue
		}
		if missed++; missed >= looksUntilLost {
			m.endAll(func(s *stream) bool { return s.wanting })
		}
	}
}

// Require returns etcd's "no leader" where a call wants a leader and there is none.
func (m *Monitor) Require(ctx context.Context) error { return m.require(ctx, false) }

// RequireForWatch is Require for a stream of watches: it returns etcd's "corrupt" where the state is.
func (m *Monitor) RequireForWatch(ctx context.Context) error { return m.require(ctx, true) }

func (m *Monitor) require(ctx context.Context, watching bool) error {
	wanting := wanted(ctx)
	if !wanting && !watching {
		return nil
	}
	switch led, corrupt := m.state(ctx); {
	case wanting && (!led || corrupt):
		return rpctypes.ErrGRPCNoLeader
	case corrupt:
		return rpctypes.ErrGRPCCorrupt
	}
	return nil
}

// Follow has end called, with etcd's "no leader", when the cluster has lost its leader, if the stream whose context ctx is
// wants one; or when the state has turned out corrupt, if it wants one or is one of watches. The returned function must be
// called when the stream has ended.
func (m *Monitor) Follow(ctx context.Context, watching bool, end context.CancelCauseFunc) (unfollow func()) {
	s := &stream{end, wanted(ctx), watching}
	if !s.wanting && !s.watching {
		return func() {}
	}
	m.mu.Lock()
	m.mu.streams[s] = struct{}{}
	m.mu.Unlock()
	select {
	case m.first <- struct{}{}:
	default:
	}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.mu.streams, s)
	}
}

func (m *Monitor) streams() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.mu.streams)
}

func (m *Monitor) endAll(of func(*stream) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for s := range m.mu.streams {
		if of(s) {
			s.end(s.ending())
			delete(m.mu.streams, s)
		}
	}
}

// state tells whether somebody leads, and whether the state is corrupt. Where nobody can be asked nobody leads.
func (m *Monitor) state(ctx context.Context) (led, corrupt bool) {
	ctx, cancel := context.WithTimeout(ctx, m.interval)
	defer cancel()
	position, err := m.consensus.Position(ctx, &consensusv1.PositionRequest{})
	return err == nil && position.GetLeaderId() != 0, position.GetCorrupt()
}

func wanted(ctx context.Context) bool {
	return headers.Of(ctx).First(rpctypes.MetadataRequireLeaderKey) == rpctypes.MetadataHasLeader
}
