package relay

import (
	"context"
	"time"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
)

const (
	// readRetryWait is how long a session waits after it could not read the past for one of its watches.
	readRetryWait = 100 * time.Millisecond
	// readAheadWait is how long it waits where a node does not have yet what another has told.
	readAheadWait = 20 * time.Millisecond
)

// readOn takes a watch that is behind, and out of its session's line, one step further. It runs in the goroutine that
// called Next, so that a client reads only as fast as it takes. It returns nil if there is nothing to deliver yet.
func (r *Relay) readOn(ctx context.Context, w *watch) (*delivery.Delivery, error) {
	s := w.session
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	want := r.catchUp(w)
	if want == nil {
		return nil, nil
	}
	got, err := r.reads.read(ctx, r, want)
	if ctx.Err() != nil {
		s.lineUp(w)
		if s.life.Err() != nil {
			return nil, errdefs.ErrStopped
		}
		return nil, ctx.Err()
	}
	wait := readAheadWait
	switch {
	case err != nil:
		r.cfg.Logger.Warn("cannot read the past for a watch yet", "from_revision", want.from, "node", want.link.node.Address, "error", err)
		wait = readRetryWait
	case got.compacted > 0:
		return r.compacted(w, got.compacted), nil
	case got.through >= want.from:
		return r.advance(w, got), nil
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	s.lineUp(w)
	return nil, nil
}

// catchUp has a watch that is behind go live if it can with what is in memory, and otherwise returns what it has to read.
func (r *Relay) catchUp(w *watch) *readKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := w.group
	switch {
	case w.Ended():
		return nil
	case !g.joined:
		g.parked[w] = struct{}{}
		return nil
	case w.next > g.told():
		r.enterLocked(w)
		return nil
	}
	kept, enough := g.since(w.next)
	if !enough || !w.vetted {
		return &readKey{
			sel: g.sel, from: w.next, vetted: w.vetted, once: w.once, link: g.link, to: g.told(),
		}
	}
	for _, d := range kept {
		if !r.passLocked(w, d.batch, max(d.before, w.next-1), d.through) {
			w.session.lineUp(w)
			return nil
		}
	}
	w.next, w.told = max(w.next, g.told()+1), max(w.told, g.told())
	r.enterLocked(w)
	return nil
}

// advance takes in what was read for a watch, and returns what of it is to be delivered.
func (r *Relay) advance(w *watch, got *stretch) *delivery.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.Ended() {
		return nil
	}
	var d *delivery.Delivery
	if got.batch != nil {
		if shown := got.batch.From(w.next); shown != nil {
			d = &delivery.Delivery{ID: w.id, Batch: shown, Revision: got.through}
			r.counts.delivered.Add(int64(shown.Count()))
		}
	}
	w.vetted, w.next, w.told = true, max(w.next, got.through+1), max(w.told, got.through)
	switch g := w.group; {
	case !g.joined:
		g.parked[w] = struct{}{}
	case w.next > g.told():
		r.enterLocked(w)
	default:
		w.session.lineUp(w)
	}
	return d
}

// compacted ends a watch whose next revision is gone.
func (r *Relay) compacted(w *watch, revision int64) *delivery.Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := w.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.Ended() {
		return nil
	}
	r.endLocked(w)
	return &delivery.Delivery{ID: w.id, Revision: w.next - 1, CompactedRevision: revision}
}
