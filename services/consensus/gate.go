package consensus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/statemachine"
)

// gate lends out the state store. Whoever uses it counts as a user of the store that was the state when the use began,
// and keeps that one open. So the state is replaced by exchanging a pointer: nobody waits for the users of the old store,
// and the last of them lets it be closed. Nothing here waits but the one who closes.
//
// A lock that readers share would do for closing and not for replacing: who waits for the readers inside holds up the
// readers behind, and one that waits for its client holds up the member.
type gate struct {
	now atomic.Pointer[tenure]
	// stopping ends when the member does: uses that may last end then.
	stopping context.Context
	mu       struct {
		sync.Mutex
		closed bool
	}
}

// tenure is the time of one store as the state, and of those who began to use it then.
type tenure struct {
	store *mvcc.Store
	// machine is what changes it by commands.
	machine *statemachine.Machine
	// dir is where the store is, below DataDir/member.
	dir string
	// serving says whether the store's failures are the member's.
	serving *atomic.Bool
	// over ends with the reason when the store is not the state any more, or the member stops.
	over context.Context
	end  context.CancelCauseFunc
	// users are those inside, and one more until the tenure has ended; idle is closed by the last that leaves.
	users atomic.Int64
	ended atomic.Bool
	idle  chan struct{}
}

// newGate makes a gate to a store, whose uses end with stopping.
func newGate(stopping context.Context, store *mvcc.Store, dir string, serving *atomic.Bool) *gate {
	g := &gate{stopping: stopping}
	g.now.Store(g.newTenure(store, dir, serving))
	return g
}

func (g *gate) newTenure(store *mvcc.Store, dir string, serving *atomic.Bool) *tenure {
	t := &tenure{store: store, machine: statemachine.New(store), dir: dir, serving: serving, idle: make(chan struct{})}
	t.over, t.end = context.WithCancelCause(g.stopping)
	t.users.Store(1)
	serving.Store(true)
	return t
}

// enter returns the tenure of the store that is the state now, false once the gate is closed. The store stays open until
// leave. No user may wait for anybody outside of the process.
func (g *gate) enter() (*tenure, bool) {
	for {
		t := g.now.Load()
		if t.join() {
			return t, true
		}
		if g.now.Load() == t {
			return nil, false
		}
	}
}

// corrupt tells whether the CORRUPT alarm is raised in a member's name.
func (g *gate) corrupt(id uint64) bool { return g.state().Corrupt(id) }

// state is the state now. What of it is not in memory may only be asked for by who has entered, or is its owner.
func (g *gate) state() *mvcc.Store { return g.now.Load().store }

// machine is the state machine over the state now, under the same rule.
func (g *gate) machine() *statemachine.Machine { return g.now.Load().machine }

func (t *tenure) join() bool {
	for !t.ended.Load() {
		n := t.users.Load()
		if n == 0 {
			return false
		}
		if t.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

func (t *tenure) leave() {
	if t.users.Add(-1) == 0 {
		close(t.idle)
	}
}

// finish ends the tenure: nobody joins any more, and those who may last are told why.
func (t *tenure) finish(why error) {
	t.ended.Store(true)
	t.serving.Store(false)
	t.end(why)
	t.leave()
}

// during runs fn, which may last, with a context that also ends when the store is not the state any more or the member
// stops, and returns the reason then.
func (t *tenure) during(ctx context.Context, fn func(context.Context) error) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)
	defer context.AfterFunc(t.over, func() { cancel(context.Cause(t.over)) })()
	err := fn(inner)
	if errors.Is(err, context.Canceled) && ctx.Err() == nil && t.over.Err() != nil {
		return fmt.Errorf("use the state: %w", context.Cause(t.over))
	}
	return err
}

// replace makes another store the state and returns the tenure that has ended, for its owner to close the store when it
// is idle; nil once the gate is closed.
func (g *gate) replace(store *mvcc.Store, dir string, serving *atomic.Bool) *tenure {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.closed {
		return nil
	}
	old := g.now.Swap(g.newTenure(store, dir, serving))
	// Whoever asked this store may ask the next.
	old.finish(errdefs.ErrLeaderChanged)
	return old
}

// close keeps newcomers out and waits until everyone has left. It may be called twice.
func (g *gate) close() {
	g.mu.Lock()
	t := g.now.Load()
	if !g.mu.closed {
		g.mu.closed = true
		t.finish(errdefs.ErrStopped)
	}
	g.mu.Unlock()
	<-t.idle
}

// lastingUse runs fn, which may last, on the state. Its context also ends when the state is replaced or the member stops.
func (g *gate) lastingUse(ctx context.Context, fn func(context.Context, *mvcc.Store) error) error {
	tenure, ok := g.enter()
	if !ok {
		return errdefs.ErrStopped
	}
	defer tenure.leave()
	return tenure.during(ctx, func(ctx context.Context) error { return fn(ctx, tenure.store) })
}

// compact runs the physical compaction of whatever store is the state.
func (g *gate) compact(ctx context.Context) error {
	for ctx.Err() == nil {
		tenure, ok := g.enter()
		if !ok {
			return nil
		}
		err := tenure.compact(ctx)
		tenure.leave()
		if err != nil {
			return ended(ctx, err)
		}
	}
	return nil
}

// compact runs the store's compaction until ctx or the tenure ends.
func (t *tenure) compact(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.over, cancel)()
	return t.store.RunCompaction(ctx)
}

// ended turns the error of an owner that stopped because ctx did into nil.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
