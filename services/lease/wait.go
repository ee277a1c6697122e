package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

const (
	// retryPauseMin and retryPauseMax bound the doubling pause between attempts that fail.
	retryPauseMin = 50 * time.Millisecond
	retryPauseMax = 2 * time.Second
)

// wake leaves a wake-up in a channel that holds one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// await waits for done or the end of ctx.
func await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retry is the pause before a next attempt: it doubles.
type retry time.Duration

func (r *retry) pause(ctx context.Context) error {
	d := max(time.Duration(*r), retryPauseMin)
	*r = retry(min(2*d, retryPauseMax))
	return pause(ctx, d)
}

// within runs a request that gives up with errdefs.ErrTimeout after a time.
func within(ctx context.Context, timeout time.Duration, request func(context.Context) error) error {
	bounded, cancel := context.WithTimeoutCause(ctx, timeout, errdefs.ErrTimeout)
	defer cancel()
	err := request(bounded)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil && !errors.Is(err, errdefs.ErrTimeout) {
		return fmt.Errorf("%w: %w", errdefs.ErrTimeout, err)
	}
	return err
}
