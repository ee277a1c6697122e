package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/match"
)

// retryWait is how long a session waits after it could not read history for one of its watches.
const retryWait = 100 * time.Millisecond

// readOn takes a watch that is behind, and out of its session's line, one step further: it turns live if it has
// reached the position, and else gets what one stretch of the ring or of history holds for it. It runs in the
// goroutine that called Next, so that a client reads only as fast as it takes. It returns nil if there is nothing to
// deliver yet.
func (s *Session) readOn(ctx context.Context, w *match.Watch) (*delivery.Delivery, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	select {
	case <-s.shared.ready:
	case <-ctx.Done():
	}
	d, err := s.step(ctx, w)
	if err != nil {
		s.lineUp(w, w.Next)
		if s.life.Err() != nil {
			err = errdefs.ErrStopped
		}
		return nil, err
	}
	return d, nil
}

// step is readOn once the node is ready, if ctx is not done. If it fails, the watch is still out of line.
func (s *Session) step(ctx context.Context, w *match.Watch) (*delivery.Delivery, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	n := s.shared
	n.mu.Lock()
	events, through, behind, done := n.mu.table.ReadOn(w)
	if done && behind {
		s.lineUp(w, w.Next)
	}
	n.mu.Unlock()
	if done {
		return s.found(w, events, through), nil
	}
	return s.readHistory(ctx, w)
}

// readHistory reads one stretch of history for a watch and lines it up again. It reads to the newest revision, though the ring
// has the last of them: a stretch that ended where the ring begins would be an answer more.
func (s *Session) readHistory(ctx context.Context, w *match.Watch) (*delivery.Delivery, error) {
	key, rangeEnd := w.Sel.Request()
	resp, err := s.shared.readFor(ctx, &consensusv1.HistoryRequest{FromRevision: w.Next, Key: key, RangeEnd: rangeEnd}, w.Once)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if errors.Is(err, errdefs.ErrCompacted) {
		return s.compacted(ctx, w)
	}
	if err == nil && resp.ThroughRevision < w.Next {
		err = fmt.Errorf("history ends at revision %d", resp.ThroughRevision)
	}
	if err != nil {
		return nil, s.retry(ctx, w, err)
	}
	w.Vetted = true
	if !s.lineUp(w, resp.ThroughRevision+1) {
		return nil, nil
	}
	return s.found(w, w.Sel.Selected(resp.Commits), resp.ThroughRevision), nil
}

// found makes a delivery of what was read for a watch, if it is anything.
func (s *Session) found(w *match.Watch, events []*consensusv1.Event, through int64) *delivery.Delivery {
	if len(events) == 0 {
		return nil
	}
	s.shared.counts.delivered.Add(int64(len(events)))
	return &delivery.Delivery{ID: w.ID, Batch: delivery.NewBatch(events), Revision: through}
}

// compacted ends a watch whose next revision is gone.
func (s *Session) compacted(ctx context.Context, w *match.Watch) (*delivery.Delivery, error) {
	revision, err := s.shared.compacted(ctx, w.Next)
	if err != nil {
		return nil, s.retry(ctx, w, err)
	}
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.Ended() {
		return nil, nil
	}
	s.endLocked(w)
	return &delivery.Delivery{ID: w.ID, Revision: w.Next - 1, CompactedRevision: revision}, nil
}

// retry waits a moment before a watch is lined up to read again. It fails only when there is no point in that.
func (s *Session) retry(ctx context.Context, w *match.Watch, cause error) error {
	s.shared.cfg.Logger.Warn("cannot read history for a watch yet", "from_revision", w.Next, "error", cause)
	if err := pause(ctx, retryWait); err != nil {
		return err
	}
	s.lineUp(w, w.Next)
	return nil
}
