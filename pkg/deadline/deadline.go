// Package deadline bounds what requests may take, without a timer for each where whoever waits for many has one clock for all of them.
package deadline

import (
	"context"
	"sync/atomic"
	"time"
)

// Bounded is a context that ends like the one it is made of, and with a cause when its time is up. It has a timer, and a place among those that end with
// that context, from when somebody asks for its end. Who need not ask, because the end of Context is watched and Over is looked at now and then, saves
// both. It may be used concurrently.
type Bounded struct {
	context.Context
	until time.Time
	cause error
	timed atomic.Pointer[timed] // nil while nobody has asked
}

type timed struct {
	context.Context
	end context.CancelFunc
}

// Within bounds what is made of ctx. Call End once that is done.
func Within(ctx context.Context, most time.Duration, cause error) *Bounded {
	return &Bounded{Context: ctx, until: time.Now().Add(most), cause: cause}
}

// Over tells whether the time is up.
func (b *Bounded) Over(now time.Time) bool { return !now.Before(b.until) }

// ended is what those have that were ended before anybody asked.
var ended = func() *timed {
	ctx, end := context.WithCancel(context.Background())
	end()
	return &timed{ctx, end}
}()

// End ends it, if it has not ended.
func (b *Bounded) End() {
	if !b.timed.CompareAndSwap(nil, ended) {
		b.timed.Load().end()
	}
}

func (b *Bounded) own() *timed {
	if known := b.timed.Load(); known != nil {
		return known
	}
	made := new(timed)
	made.Context, made.end = context.WithDeadlineCause(b.Context, b.until, b.cause)
	if !b.timed.CompareAndSwap(nil, made) {
		made.end()
	}
	return b.timed.Load()
}

// Deadline implements context.Context.
func (b *Bounded) Deadline() (time.Time, bool) {
	if earlier, ok := b.Context.Deadline(); ok && earlier.Before(b.until) {
		return earlier, true
	}
	return b.until, true
}

// Done implements context.Context.
func (b *Bounded) Done() <-chan struct{} { return b.own().Done() }

// Err implements context.Context.
func (b *Bounded) Err() error { return b.own().Err() }

// Value implements context.Context. Contexts that are made of this one, and context.Cause, find by it what ends them.
func (b *Bounded) Value(key any) any {
	if known := b.timed.Load(); known != nil && known != ended {
		return known.Value(key)
	}
	return b.Context.Value(key)
}
