package lease

import (
	"context"
	"fmt"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

// confirmer asks the store whether the epoch that is held is still the newest, once for all who want to know.
type confirmer struct {
	core  *core
	store *proposer
}

// run confirms the epoch again and again, while there are leases to count down, until ctx ends.
func (c *confirmer) run(ctx context.Context) error {
	for {
		var due, at lessor.Uptime
		var needed bool
		c.core.step(func(l *lessor.Lessor, now lessor.Moment) {
			due, needed = l.ConfirmationDue()
			at = now.At
		})
		if !needed || due > at {
			if err := pause(ctx, max(time.Duration(due-at), lessor.ConfirmInterval/2)); err != nil {
				return err
			}
			continue
		}
		if err := c.assure(ctx, due); err != nil { // the store cannot be reached: time stands still meanwhile
			if err := pause(ctx, retryPauseMin); err != nil {
				return err
			}
		}
	}
}

// recent is the earliest moment of a confirmation that will do now.
func (c *confirmer) recent() lessor.Uptime { return c.core.now().Recent() }

// assure waits until this service certainly held the newest epoch at or after the moment since.
func (c *confirmer) assure(ctx context.Context, since lessor.Uptime) error {
	for {
		wait, ask, err := c.look(since)
		switch {
		case err != nil:
			return err
		case wait != nil:
			err = await(ctx, wait)
		case ask != nil:
			err = ask(ctx)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// look tells what to wait for, or what to ask, until it is known whether this service held the newest epoch at or after since:
// neither once it is.
func (c *confirmer) look(since lessor.Uptime) (wait <-chan struct{}, ask func(context.Context) error, err error) {
	c.core.step(func(l *lessor.Lessor, now lessor.Moment) {
		switch l.Assured(now, since) {
		case lessor.Over:
			err = errdefs.ErrStopped
		case lessor.NoLonger:
			err = fmt.Errorf("the lease service stands by: %w", errdefs.ErrNoLeader)
		case lessor.NotYet:
			wait = c.core.mu.turned
		case lessor.Sure:
		case lessor.Unsure:
			if c.core.mu.confirming != nil {
				wait = c.core.mu.confirming
				return
			}
			confirming, epoch := make(chan struct{}), l.Status().Epoch
			c.core.mu.confirming = confirming
			ask = func(ctx context.Context) error { return c.confirm(ctx, confirming, epoch, now) }
		}
	})
	return wait, ask, err
}

// confirm asks for the newest epoch, on behalf of all who wait for confirming.
func (c *confirmer) confirm(ctx context.Context, confirming chan struct{}, epoch uint64, asked lessor.Moment) error {
	newest, err := c.store.newestEpoch(ctx)
	c.core.step(func(l *lessor.Lessor, now lessor.Moment) {
		c.core.mu.confirming = nil
		close(confirming)
		if err == nil {
			l.EpochSeen(now, asked, epoch, newest)
		}
	})
	return err
}

// assureKnown waits until this service certainly held the newest epoch at or after the call, and knows whether there is such a
// lease, or with id 0 which leases there are.
func (c *confirmer) assureKnown(ctx context.Context, id int64) error {
	called := c.core.now().At
	for {
		if err := c.assure(ctx, called); err != nil {
			return err
		}
		var unknown *lessor.Latch
		c.core.step(func(l *lessor.Lessor, _ lessor.Moment) { unknown = l.Unknown(id) })
		if unknown == nil {
			return nil
		}
		if err := await(ctx, unknown.Released()); err != nil {
			return err
		}
	}
}
