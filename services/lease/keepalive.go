package lease

import (
	"context"
	"errors"
	"fmt"

	"github.com/quoratedb/quorate/pkg/errdefs"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// KeepAlive gives leases all their time again and answers how much that is, in the order of the request, 0 for those
// that do not exist. What it answers is promised: no take-over expires the lease earlier.
//
// It touches no log, but for long leases whose remaining time was recorded since their last keep-alive: the record is
// cleared first. A lease that has expired is renewed as long as nobody has proposed to revoke it; from then on
// KeepAlive waits for the outcome.
func (s *Service) KeepAlive(ctx context.Context, req *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
	r := renewal{ids: req.GetIds(), ttls: make([]int64, len(req.GetIds())), since: s.recent()}
	r.open = make([]int, len(r.ids))
	for i := range r.open {
		r.open[i] = i
	}
	if sure := s.renew(&r); !sure || len(r.open) > 0 {
		err := s.within(ctx, func(ctx context.Context) error { return s.finish(ctx, &r, sure) })
		if err != nil {
			return nil, fmt.Errorf("keep alive: %w", err)
		}
	}
	s.metrics.renewed.Add(float64(r.renewed))
	return &leasev1.KeepAliveResponse{Ttls: r.ttls, Revision: r.seen.revision, RaftTerm: r.seen.term}, nil
}

// renewal is one keep-alive request on its way.
type renewal struct {
	ids, ttls []int64
	renewed   int
	// since is from when on a confirmation of the epoch will do: the hold's window before the request came, or before it had to
	// wait for something else. What is asked for after that answers it however long it takes.
	since uptime
	// open are the indexes of the ids that are not answered yet.
	open []int
	// recorded are open ids whose record in the log must be cleared under epoch; clearing claims them meanwhile.
	recorded []int64
	clearing *claim
	epoch    uint64
	// busy is the claim of an open id that must end first, nil when there is none.
	busy *claim
	// seen is the newest known position when the first of the leases were renewed: a later one may be that of their end.
	seen position
}

// finish goes on with a renewal, after a first try that was sure or not, until all of it is answered.
func (s *Service) finish(ctx context.Context, r *renewal, sure bool) error {
	for {
		var err error
		switch {
		case !sure:
			err = s.assure(ctx, r.since)
		case len(r.recorded) > 0:
			err = s.clearFor(ctx, r)
			r.since = s.recent()
		case r.busy != nil:
			err = await(ctx, r.busy.done)
			r.since = s.recent()
		default:
			return nil
		}
		if err != nil {
			return err
		}
		sure = s.renew(r)
	}
}

// renew answers what can be answered at once. It does nothing, and says so, if the service is not sure to hold the
// newest epoch.
func (s *Service) renew(r *renewal) (sure bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, lead := s.now(); s.mu.role != holding || !s.mu.time.sure(r.since, lead) {
		return false
	}
	if r.seen == (position{}) {
		r.seen = s.mu.seen
	}
	now := s.countedLocked()
	t := &s.mu.table
	open := r.open[:0]
	r.busy, r.recorded, r.epoch = nil, nil, s.mu.epoch
	for _, i := range r.open {
		id := r.ids[i]
		c, e := t.claims[id], t.leases[id]
		switch {
		case c != nil:
			if c != r.clearing {
				r.busy = c
			}
			open = append(open, i)
		case e == nil:
			r.ttls[i] = 0
		case e.checkpointed:
			if len(r.recorded) == 0 {
				r.clearing = newClaim()
			}
			t.claim(r.clearing, id)
			r.recorded = append(r.recorded, id)
			open = append(open, i)
		default:
			t.renew(e, now)
			r.ttls[i] = e.ttl
			r.renewed++
		}
	}
	r.open = open
	return true
}

// clearFor clears the records of a renewal's leases and ends its claim on them.
func (s *Service) clearFor(ctx context.Context, r *renewal) error {
	err := s.clearCheckpoints(ctx, r.epoch, r.recorded)
	s.mu.Lock()
	for _, id := range r.recorded {
		if e := s.mu.table.leases[id]; e != nil && err == nil {
			e.checkpointed = false
		}
	}
	s.mu.table.release(r.recorded...)
	s.mu.Unlock()
	if errors.Is(err, errdefs.ErrStaleEpoch) {
		// Either another holder took over, which the next look shows, or this service itself has moved on.
		s.fenced(r.epoch)
		return nil
	}
	if err != nil {
		return fmt.Errorf("clear checkpoints: %w", err)
	}
	return nil
}
