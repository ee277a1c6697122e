package peer

import (
	"context"
	"sync"
	"time"
)

// pacer lets bytes pass at a rate, whoever asks, in the order of asking. Bytes that were not asked for are not saved up.
type pacer struct {
	perSecond int64 // no bound below 1
	mu        struct {
		sync.Mutex
		free time.Time // when all that was let pass will have passed at the rate
	}
}

// wait returns once n more bytes may pass, or with the context's error.
func (p *pacer) wait(ctx context.Context, n int) error {
	if p.perSecond < 1 {
		return ctx.Err()
	}
	timer := time.NewTimer(time.Until(p.reserve(time.Now(), n)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// reserve returns when n bytes may pass.
func (p *pacer) reserve(now time.Time, n int) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.mu.free
	if at.Before(now) {
		at = now
	}
	p.mu.free = at.Add(time.Duration(float64(n) / float64(p.perSecond) * float64(time.Second)))
	return at
}
