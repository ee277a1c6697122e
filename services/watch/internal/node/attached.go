package node

import (
	"context"
	"fmt"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/match"
)

// What one response to an API node holds at most: deliveries, and about so many bytes.
const (
	responseDeliveriesMax = 1024
	responseBytesMax      = 1 << 20
)

// Attached is the session of an API node. Its subscriptions are live watches and nothing else: one begins where the node
// is, and ends rather than fall behind. What lies in the past the API node reads for itself, with Node.Read. So nothing
// that one client does holds up the stream that all clients of an API node share.
type Attached struct{ s *Session }

// Join begins a subscription where the node is, which its first delivery tells. It waits until the node has begun, and
// fails with ErrIDInUse, with errdefs.ErrStopped, or if ctx ends.
func (a *Attached) Join(ctx context.Context, request *watchv1.Subscription) error {
	n, s := a.s.shared, a.s
	select {
	case <-n.ready:
	case <-s.life.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	w := &match.Watch{ID: request.Id, Sel: match.SelectorOf(request.Selection), Out: s}
	n.mu.Lock()
	defer n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	position := n.Position()
	w.Next = position + 1 // so it is live
	if _, err := s.addLocked(w); err != nil {
		return fmt.Errorf("join subscription %d: %w", w.ID, err)
	}
	s.tellLocked(w, watchv1.Delivery_KIND_JOINED, position)
	return nil
}

// tellLocked queues the beginning or the end of a subscription, for which there is always room.
func (s *Session) tellLocked(w *match.Watch, kind watchv1.Delivery_Kind, revision int64) {
	s.mu.queue.Force(&match.Entry{
		Delivery: delivery.Delivery{ID: w.ID, Revision: revision}, Watch: w, After: s.shared.Position(), Kind: kind,
	})
	s.mu.wake.Nudge()
}

// Leave ends a subscription.
func (a *Attached) Leave(id int64) { a.s.Remove(id) }

// Position asks for a response with a position at or after a revision.
func (a *Attached) Position(revision int64) { a.s.Progress(revision) }

// Close ends all subscriptions. It may be called twice.
func (a *Attached) Close() { a.s.Close() }

// Next waits for something to tell and returns what there is, up to a limit. It fails when ctx ends, and with
// errdefs.ErrStopped after Close or when the node stops. Only one goroutine at a time may call it.
func (a *Attached) Next(ctx context.Context) (*watchv1.WatchResponse, error) {
	for {
		entries, position, err := a.take()
		switch {
		case err != nil:
			return nil, err
		case len(entries) > 0 || position != nil:
			return response(entries, position), nil
		}
		select {
		case <-a.s.mu.wake.Tokens():
		case <-a.s.life.Done():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take takes what is queued, and the position if it is asked for and due.
func (a *Attached) take() (entries []*match.Entry, position *delivery.Delivery, err error) {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	reached := s.shared.Position() // before the queue is looked at, see Session.take
	if s.mu.closed {
		return nil, nil, errdefs.ErrStopped
	}
	for bytes := 0; len(entries) < responseDeliveriesMax && bytes < responseBytesMax; {
		e := s.mu.queue.Pop()
		if e == nil {
			break
		}
		s.shared.counts.pending.Add(-int64(e.Events()))
		s.shared.counts.delivered.Add(int64(e.Events()))
		bytes += e.Bytes
		entries = append(entries, e)
	}
	for d := s.progressLocked(reached); d != nil; d = s.progressLocked(reached) {
		position = d // one answers all that are due
	}
	if len(entries) == 0 && position == nil {
		s.mu.wake.Wait()
	}
	return entries, position, nil
}

// response encodes what was taken, outside of all locks.
func response(entries []*match.Entry, position *delivery.Delivery) *watchv1.WatchResponse {
	made := &watchv1.WatchResponse{Deliveries: make([]*watchv1.Delivery, len(entries))}
	for i, e := range entries {
		d := &watchv1.Delivery{Id: e.Delivery.ID, Kind: e.Kind, Revision: e.Delivery.Revision}
		if b := e.Delivery.Batch; b != nil {
			d.Events, d.FirstRevision, d.LastRevision = b.Encoded(), b.First(), b.Last()
		}
		made.Deliveries[i] = d
	}
	if position != nil {
		made.Position = &watchv1.Position{Revision: position.Revision}
	}
	return made
}
