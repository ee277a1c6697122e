// Package phases carries what the time of a write was spent on from where it is measured, beside the log, to where slow requests are told
// of. It measures nothing.
package phases

import (
	"context"
	"log/slog"
	"time"
)

// Phases are parts of the time of one write. Sync is beside Replicate, not before it: the leader sends entries while it syncs them. Sync is 0
// where the write was committed by others before this member had synced it, and later ones are where it did not come so far.
type Phases struct {
	// Queue is until it was in a log entry, Sync what this member took to sync that, Replicate until a quorum had it, and Apply
	// until its caller was answered.
	Queue, Sync, Replicate, Apply time.Duration
}

// Add adds those of another write of the same request.
func (p *Phases) Add(other Phases) {
	p.Queue += other.Queue
	p.Sync += other.Sync
	p.Replicate += other.Replicate
	p.Apply += other.Apply
}

// Attributes are for a line about the request: none where it wrote nothing.
func (p *Phases) Attributes() []slog.Attr {
	if p == nil || *p == (Phases{}) {
		return nil
	}
	return []slog.Attr{slog.Duration("queue", p.Queue), slog.Duration("sync", p.Sync), slog.Duration("replicate", p.Replicate), slog.Duration("apply", p.Apply)}
}

// From is how long a write takes at least whose phases are told: a faster one is in no list of slow requests.
const From = time.Millisecond

// holder is a context that has room for phases. It is one allocation.
type holder struct {
	context.Context
	phases Phases
}

type key struct{}

// Value implements context.Context.
func (h *holder) Value(of any) any {
	if of == (key{}) {
		return &h.phases
	}
	return h.Context.Value(of)
}

// With returns a context with room for the phases of what is written for it, by the goroutine that has the context.
func With(ctx context.Context) context.Context { return &holder{Context: ctx} }

// Of is what was noted for a context so far, nil where there is no room for any.
func Of(ctx context.Context) *Phases {
	phases, _ := ctx.Value(key{}).(*Phases)
	return phases
}
