package relay

import (
	"time"

	"github.com/quoratedb/quorate/pkg/delivery"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
)

// handle implements listener.
func (r *Relay) handle(l *link, resp *watchv1.WatchResponse) error {
	// The first of a stream comes with nothing else, and before anything is asked of the node.
	if resp.Position != nil && r.cfg.Other != nil && r.cfg.Other(resp.Position.Store) {
		return errOtherStore
	}
	batches := make([]*delivery.Batch, len(resp.Deliveries))
	for i, d := range resp.Deliveries {
		if len(d.Events) == 0 {
			continue
		}
		var err error
		if batches[i], err = delivery.FromEncoded(d.Events, d.FirstRevision, d.LastRevision); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, d := range resp.Deliveries {
		switch {
		case d.Kind == watchv1.Delivery_KIND_JOINED:
			r.mu.table.Joined(l.known, d.Id, d.Revision)
		case d.Kind == watchv1.Delivery_KIND_LAPSED:
			r.mu.table.Lapsed(l.known, d.Id)
		case batches[i] != nil:
			r.mu.table.Deliver(l.known, d.Id, batches[i], d.Revision)
		}
	}
	if resp.Position != nil {
		r.positionLocked(l, resp.Position)
	}
	return nil
}

func (r *Relay) positionLocked(l *link, p *watchv1.Position) {
	if r.mu.table.Heard(l.known, p.Revision, p.Node, time.Now()) {
		r.cfg.Logger.Info("watch node reached", "node", l.node.Address, "revision", p.Revision)
	}
	for s := range r.mu.awaiting {
		s.nudge()
	}
}

// lost implements listener.
func (r *Relay) lost(l *link) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.forget()
	return r.mu.table.Lost(l.known)
}
