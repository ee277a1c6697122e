package match

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/memorysize"
)

// ringCommitsMax bounds how many commits of the ring are looked through for one watch under the node's lock.
const ringCommitsMax = 512

// retryWait is how long a session waits after it could not read history for one of its watches.
const retryWait = 100 * time.Millisecond

// readOn takes a watch that is behind, and out of its session's line, one step further: it turns live if it has
// reached the position, and else gets what one stretch of the ring or of history holds for it. It runs in the
// goroutine that called Next, so that a client reads only as fast as it takes. It returns nil if there is nothing to
// deliver yet.
func (n *Node) readOn(ctx context.Context, w *watch) (*delivery.Delivery, error) {
	s := w.session
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	select {
	case <-n.ready:
	case <-ctx.Done():
	}
	d, err := n.step(ctx, w)
	if err != nil {
		s.lineUp(w, w.next)
		if s.life.Err() != nil {
			err = errdefs.ErrStopped
		}
		return nil, err
	}
	return d, nil
}

// step is readOn once the node is ready, if ctx is not done. If it fails, the watch is still out of line.
func (n *Node) step(ctx context.Context, w *watch) (*delivery.Delivery, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if d, done := n.readRing(w); done {
		return d, nil
	}
	return n.readHistory(ctx, w)
}

// readRing is readOn for a watch that needs no history: the ring goes back far enough, and holds no revision that was asked for
// from outside and may be compacted. It tells whether that is so.
func (n *Node) readRing(w *watch) (d *delivery.Delivery, done bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	position, r := n.Position(), &n.mu.ring
	if w.ended {
		return nil, true
	}
	if w.next > position {
		n.joinLocked(w)
		return nil, true
	}
	if !w.vetted || w.next <= r.floor {
		return nil, false
	}
	events, through := n.ringLocked(w.sel, w.next, n.bytesMax(w.once))
	if through < position {
		w.session.lineUp(w, through+1)
	} else {
		w.next = through + 1
		n.joinLocked(w)
	}
	return n.found(w, events, through), true
}

// ringLocked looks through the ring, from a revision that it holds, for what a selector wants, until it is a delivery's
// worth or it has looked for long. It returns the revision up to which that is everything.
func (n *Node) ringLocked(sel selector, from int64, bytesMax int) (events []*consensusv1.Event, through int64) {
	r := &n.mu.ring
	first := r.search(from)
	bytes, looked := 0, 0
	for looked < ringCommitsMax && first+looked < r.length && bytes < bytesMax {
		had := len(events)
		events = sel.selected(events, r.at(first+looked))
		for _, event := range events[had:] {
			bytes += memorysize.Event(event)
		}
		looked++
	}
	if first+looked < r.length {
		return events, r.at(first + looked - 1).Revision
	}
	return events, n.Position()
}

// bytesMax is where a delivery to a watch that reads on ends, at the end of a revision.
func (n *Node) bytesMax(once bool) int {
	if once {
		return 1
	}
	return n.cfg.DeliveryBytesMax
}

// joinLocked turns a watch that has reached the position live.
func (n *Node) joinLocked(w *watch) {
	w.quiet = false
	n.mu.index.group(w.sel).join(w)
	n.counts.behind.Add(-1)
}

// readHistory reads one stretch of history for a watch and lines it up again. It reads to the newest revision, though the ring
// has the last of them: a stretch that ended where the ring begins would be an answer more.
func (n *Node) readHistory(ctx context.Context, w *watch) (*delivery.Delivery, error) {
	select {
	case n.reads <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	key, rangeEnd := w.sel.request()
	resp, err := n.cfg.History.History(ctx, &consensusv1.HistoryRequest{
		FromRevision: w.next,
		Key:          key,
		RangeEnd:     rangeEnd,
		MaxBytes:     int64(n.bytesMax(w.once)),
	})
	<-n.reads
	n.counts.reads.Add(1)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if errors.Is(err, errdefs.ErrCompacted) {
		return n.compacted(ctx, w)
	}
	if err == nil && resp.ThroughRevision < w.next {
		err = fmt.Errorf("history ends at revision %d", resp.ThroughRevision)
	}
	if err != nil {
		return nil, n.retry(ctx, w, err)
	}
	var events []*consensusv1.Event
	for _, commit := range resp.Commits {
		events = w.sel.selected(events, commit)
	}
	w.vetted = true
	if !w.session.lineUp(w, resp.ThroughRevision+1) {
		return nil, nil
	}
	return n.found(w, events, resp.ThroughRevision), nil
}

// found makes a delivery of what was read for a watch, if it is anything.
func (n *Node) found(w *watch, events []*consensusv1.Event, through int64) *delivery.Delivery {
	if len(events) == 0 {
		return nil
	}
	n.counts.delivered.Add(int64(len(events)))
	return &delivery.Delivery{ID: w.id, Batch: delivery.NewBatch(events), Revision: through}
}

// compacted ends a watch whose next revision is gone.
func (n *Node) compacted(ctx context.Context, w *watch) (*delivery.Delivery, error) {
	status, err := n.cfg.History.Status(ctx, &consensusv1.StatusRequest{})
	if err == nil && status.CompactedRevision <= w.next {
		err = fmt.Errorf("compacted at %d, says its status", status.CompactedRevision)
	}
	if err != nil {
		return nil, n.retry(ctx, w, err)
	}
	s := w.session
	n.mu.Lock()
	defer n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.ended {
		return nil, nil
	}
	n.endLocked(w)
	return &delivery.Delivery{ID: w.id, Revision: w.next - 1, CompactedRevision: status.CompactedRevision}, nil
}

// retry waits a moment before a watch is lined up to read again. It fails only when there is no point in that.
func (n *Node) retry(ctx context.Context, w *watch, cause error) error {
	n.cfg.Log.Warn("cannot read history for a watch yet", "from_revision", w.next, "error", cause)
	if err := pause(ctx, retryWait); err != nil {
		return err
	}
	w.session.lineUp(w, w.next)
	return nil
}
