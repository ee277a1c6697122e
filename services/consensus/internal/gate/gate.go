// Package gate lends out the state store, which may be replaced while it is used. It knows what changes the state by commands, and
// nothing of who uses it.
package gate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/readturns"
	"github.com/quoratedb/quorate/services/consensus/internal/statemachine"
)

// Gate lends out the state store. Whoever uses it counts as a user of the store that was the state when the use began,
// and keeps that one open. So the state is replaced by exchanging a pointer: nobody waits for the users of the old store,
// and the last of them lets it be closed. Nothing here waits but the one who closes.
//
// A lock that readers share would do for closing and not for replacing: who waits for the readers inside holds up the
// readers behind, and one that waits for its client holds up the member.
type Gate struct {
	now atomic.Pointer[Tenure]
	// stopping ends when the member does: uses that may last end then.
	stopping context.Context
	turns    *readturns.Turns
	mu       struct {
		sync.Mutex
		closed bool
	}
}

// Tenure is the time of one store as the state, and of those who began to use it then.
type Tenure struct {
	Store *mvcc.Store
	// Machine is what changes it by commands.
	Machine *statemachine.Machine
	// Dir is where the store is, below DataDir/member.
	Dir string
	// serving says whether the store's failures are the member's.
	serving *atomic.Bool
	// Over ends with the reason when the store is not the state any more, or the member stops.
	Over context.Context
	end  context.CancelCauseFunc
	// users are those inside, and one more until the tenure has ended; idle is closed by the last that leaves.
	users atomic.Int64
	ended atomic.Bool
	idle  chan struct{}
	turns *readturns.Turns
}

// New makes a gate to a store, whose uses end with stopping.
func New(stopping context.Context, store *mvcc.Store, dir string, serving *atomic.Bool) *Gate {
	g := &Gate{stopping: stopping, turns: readturns.New()}
	g.now.Store(g.newTenure(store, dir, serving))
	return g
}

func (g *Gate) newTenure(store *mvcc.Store, dir string, serving *atomic.Bool) *Tenure {
	t := &Tenure{Store: store, Machine: statemachine.New(store), Dir: dir, serving: serving, idle: make(chan struct{}), turns: g.turns}
	t.Over, t.end = context.WithCancelCause(g.stopping)
	t.users.Store(1)
	serving.Store(true)
	return t
}

// Enter returns the tenure of the store that is the state now, false once the gate is closed. The store stays open until
// Leave. No user may wait for anybody outside of the process.
func (g *Gate) Enter() (*Tenure, bool) {
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

// Corrupt tells whether the CORRUPT alarm is raised in a member's name.
func (g *Gate) Corrupt(id uint64) bool { return g.State().Corrupt(id) }

// State is the state now. What of it is not in memory may only be asked for by who has entered, or is its owner.
func (g *Gate) State() *mvcc.Store { return g.now.Load().Store }

// Dir is where the state is, below DataDir/member.
func (g *Gate) Dir() string { return g.now.Load().Dir }

// Stopping ends when the member does.
func (g *Gate) Stopping() context.Context { return g.stopping }

// Machine is the state machine over the state now, under the same rule.
func (g *Gate) Machine() *statemachine.Machine { return g.now.Load().Machine }

func (t *Tenure) join() bool {
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

// Leave ends a use.
func (t *Tenure) Leave() {
	if t.users.Add(-1) == 0 {
		close(t.idle)
	}
}

// Idle is closed once the tenure has ended and its last user has left.
func (t *Tenure) Idle() <-chan struct{} { return t.idle }

// finish ends the tenure: nobody joins any more, and those who may last are told why.
func (t *Tenure) finish(why error) {
	t.ended.Store(true)
	t.serving.Store(false)
	t.end(why)
	t.Leave()
}

// During runs fn, which may last, with a context that also ends when the store is not the state any more or the member
// stops, and returns the reason then.
func (t *Tenure) During(ctx context.Context, fn func(context.Context) error) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)
	defer context.AfterFunc(t.Over, func() { cancel(context.Cause(t.Over)) })()
	err := fn(inner)
	if errors.Is(err, context.Canceled) && ctx.Err() == nil && t.Over.Err() != nil {
		return fmt.Errorf("use the state: %w", context.Cause(t.Over))
	}
	return err
}

// Reading is During for a client's read, which goes on by turns where it is a long one.
func (t *Tenure) Reading(ctx context.Context, fn func(context.Context) error) error {
	return t.During(ctx, func(ctx context.Context) error {
		ctx, read := t.turns.With(ctx)
		defer read.Rest()
		return fn(ctx)
	})
}

// Replace makes another store the state and returns the tenure that has ended, for its owner to close the store when it
// is idle; nil once the gate is closed.
func (g *Gate) Replace(store *mvcc.Store, dir string, serving *atomic.Bool) *Tenure {
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

// Close keeps newcomers out and waits until everyone has left. It may be called twice.
func (g *Gate) Close() {
	g.mu.Lock()
	t := g.now.Load()
	if !g.mu.closed {
		g.mu.closed = true
		t.finish(errdefs.ErrStopped)
	}
	g.mu.Unlock()
	<-t.idle
}

// LastingUse runs fn, which may last, on the state. Its context also ends when the state is replaced or the member stops.
func (g *Gate) LastingUse(ctx context.Context, fn func(context.Context, *mvcc.Store) error) error {
	tenure, ok := g.Enter()
	if !ok {
		return errdefs.ErrStopped
	}
	defer tenure.Leave()
	return tenure.During(ctx, func(ctx context.Context) error { return fn(ctx, tenure.Store) })
}

// Compact runs the physical compaction of whatever store is the state.
func (g *Gate) Compact(ctx context.Context) error {
	for ctx.Err() == nil {
		tenure, ok := g.Enter()
		if !ok {
			return nil
		}
		err := tenure.compact(ctx)
		tenure.Leave()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// compact runs the store's compaction until ctx or the tenure ends.
func (t *Tenure) compact(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.Over, cancel)()
	return t.Store.RunCompaction(ctx)
}
