package lease

import (
	"context"
	"sync"
	"time"

	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

// clock is what time is it, twice. Tests replace it.
type clock func() (monotonic, wall time.Duration)

// clockSince reads both clocks of the machine, each from the same moment on.
func clockSince(origin time.Time) clock {
	return func() (monotonic, wall time.Duration) {
		now := time.Now()
		return now.Sub(origin), now.Round(0).Sub(origin.Round(0)) // Round takes the monotonic reading off
	}
}

// core is the lessor behind its lock, with the clock that it is told of, and those who wait for what it does.
type core struct {
	clock clock

	// takeOver, expire, reconcile and epochOver wake the loops that do this. Each holds at most one wake-up.
	takeOver, expire, reconcile, epochOver chan struct{}

	mu struct {
		sync.Mutex
		lessor *lessor.Lessor
		// turned is closed, and replaced, when the role changes.
		turned chan struct{}
		// end ends what is done under an epoch, or to acquire one; during lasts while one is held.
		end    context.CancelCauseFunc
		during context.Context
		// confirming is closed when the confirmation under way ends; nil when there is none.
		confirming chan struct{}
	}
}

func newCore(c lessor.Config) *core {
	made := &core{
		clock:    clockSince(time.Now()),
		takeOver: make(chan struct{}, 1), expire: make(chan struct{}, 1),
		reconcile: make(chan struct{}, 1), epochOver: make(chan struct{}, 1),
	}
	made.mu.lessor = lessor.New(c)
	made.mu.turned = make(chan struct{})
	return made
}

// now is the moment.
func (c *core) now() lessor.Moment {
	monotonic, wall := c.clock()
	return lessor.Moment{At: lessor.Uptime(monotonic), Skew: wall - monotonic}
}

// step has the lessor take steps, under the lock, and does what follows from them.
func (c *core) step(take func(l *lessor.Lessor, now lessor.Moment)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	take(c.mu.lessor, c.now())
	if e := c.mu.lessor.Effects(); e != (lessor.Effects{}) {
		c.followLocked(e)
	}
}

func (c *core) followLocked(e lessor.Effects) {
	if e.Turned {
		close(c.mu.turned)
		c.mu.turned = make(chan struct{})
	}
	if e.Ended != nil && c.mu.end != nil {
		c.mu.end(e.Ended)
	}
	if e.TakeOver {
		wake(c.takeOver)
	}
	if e.Expire {
		wake(c.expire)
	}
	if e.Reconcile {
		wake(c.reconcile)
	}
	if e.Epoch {
		wake(c.epochOver)
	}
}

// status is where the lessor stands, and what is closed when its role changes.
func (c *core) status() (s lessor.Status, turned <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.lessor.Status(), c.mu.turned
}

// begin begins to acquire an epoch, which end ends; false if it is not wanted. It returns the epoch whose leases are known.
func (c *core) begin(end context.CancelCauseFunc) (known uint64, wanted bool) {
	c.step(func(l *lessor.Lessor, _ lessor.Moment) {
		status := l.Status()
		known, wanted = status.TableEpoch, status.Role == lessor.Acquiring
		if wanted {
			c.mu.end = end
		}
	})
	return known, wanted
}

// activate begins to answer under an epoch, while ctx lasts.
func (c *core) activate(ctx context.Context, epoch uint64) (err error) {
	c.step(func(l *lessor.Lessor, _ lessor.Moment) {
		if ctx.Err() != nil {
			err = lessor.ErrSteppedDown
			return
		}
		if err = l.Activate(epoch); err == nil {
			c.mu.during = ctx
		}
	})
	return err
}

// fenced is told that epoch is no longer the newest.
func (c *core) fenced(epoch uint64) {
	c.step(func(l *lessor.Lessor, _ lessor.Moment) { l.Fenced(epoch) })
}
