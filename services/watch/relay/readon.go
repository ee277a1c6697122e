package relay

import (
	"context"
	"time"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/services/watch/relay/internal/groups"
)

const (
	// readRetryWait is how long a session waits after it could not read the past for one of its watches.
	readRetryWait = 100 * time.Millisecond
	// readAheadWait is how long it waits where a node does not have yet what another has told.
	readAheadWait = 20 * time.Millisecond
)

// readOn takes a watch that is behind, and out of its session's line, one step further. It runs in the goroutine that
// called Next, so that a client reads only as fast as it takes. It returns nil if there is nothing to deliver yet.
func (s *Session) readOn(ctx context.Context, w *groups.Watch) (*delivery.Delivery, error) {
	r := s.relay
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	want := s.catchUp(w)
	if want == nil {
		return nil, nil
	}
	got, err := r.reads.read(ctx, want)
	if ctx.Err() != nil {
		s.LineUp(w)
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
		return s.compacted(w, got.compacted), nil
	case got.through >= want.from:
		return s.advance(w, got), nil
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	s.LineUp(w)
	return nil, nil
}

// catchUp has a watch that is behind go live if it can with what is in memory, and otherwise returns what it has to read.
func (s *Session) catchUp(w *groups.Watch) *readKey {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	missing := s.relay.mu.table.CatchUp(w)
	if missing == nil {
		return nil
	}
	return &readKey{
		sel: missing.Sel, from: missing.From, vetted: missing.Vetted, once: missing.Once, to: missing.To,
		link: missing.Node.Peer().(*link), // all nodes' peers are links
	}
}

// advance takes in what was read for a watch, and returns what of it is to be delivered.
func (s *Session) advance(w *groups.Watch, got *stretch) *delivery.Delivery {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	d := s.relay.mu.table.Advance(w, got.batch, got.through)
	if d != nil {
		s.relay.counts.delivered.Add(int64(d.Batch.Count()))
	}
	return d
}

// compacted ends a watch whose next revision is gone.
func (s *Session) compacted(w *groups.Watch, revision int64) *delivery.Delivery {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.Ended() {
		return nil
	}
	s.endLocked(w)
	return &delivery.Delivery{ID: w.ID, Revision: w.Next - 1, CompactedRevision: revision}
}
