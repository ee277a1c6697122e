package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// expire has expired leases revoked, many at a time and a few such revokes at once, until ctx ends or the outcome of a
// revoke is unknown. A lease is doomed no sooner than its revoke can be proposed at once: until then a keep-alive
// still saves it.
func (s *Service) expire(ctx context.Context, epoch uint64) error {
	g, gctx := errgroup.WithContext(ctx)
	free := make(chan struct{}, s.cfg.RevokesInFlightMax)
	for gctx.Err() == nil {
		select {
		case free <- struct{}{}:
		case <-gctx.Done():
			continue
		}
		ids, next := s.takeExpired()
		if len(ids) > 0 {
			g.Go(func() error {
				defer func() { <-free }()
				return s.revokeExpired(gctx, epoch, ids)
			})
		} else {
			<-free
		}
		if len(ids) < s.cfg.RevokeLeasesMax && next > 0 || len(ids) == 0 {
			s.awaitExpiry(gctx, next)
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// takeExpired dooms what has expired, and answers how long it takes until more may have. While the service is not sure to
// hold the newest epoch nothing has: the leases may have been kept alive elsewhere, or wanted to be.
func (s *Service) takeExpired() (ids []int64, next time.Duration) {
	for more := true; more; {
		ids, next, more = s.takeExpiredSlice()
	}
	return ids, next
}

func (s *Service) takeExpiredSlice() (ids []int64, next time.Duration, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, lead := s.now(); s.mu.role != holding || !s.mu.time.inTouch(at, lead) {
		return nil, confirmInterval, false
	}
	now := s.countedLocked()
	ids, more = s.mu.table.takeExpired(now, s.cfg.RevokeLeasesMax)
	return ids, s.mu.table.expiries.next().until(now), more && len(ids) == 0
}

// awaitExpiry waits until a lease may have expired, and long enough for several to gather.
func (s *Service) awaitExpiry(ctx context.Context, next time.Duration) {
	if pause(ctx, expiryPause) != nil {
		return
	}
	t := time.NewTimer(next)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.expireNow:
	case <-ctx.Done():
	}
}

// revokeExpired proposes the revoke of doomed leases. An error means that its outcome is unknown, or that the epoch is
// stale; the leases stay doomed then.
func (s *Service) revokeExpired(ctx context.Context, epoch uint64, ids []int64) error {
	var again retry
	for {
		result, err := s.propose(ctx, &consensusv1.Command{Command: &consensusv1.Command_LeaseRevoke{
			LeaseRevoke: &consensusv1.LeaseRevokeOp{Ids: ids, Epoch: epoch},
		}})
		switch {
		case err == nil:
			s.expired(ids, len(result.GetLeaseRevoke().GetRevoked()))
			return nil
		case errors.Is(err, errdefs.ErrStaleEpoch):
			s.fenced(epoch)
			return err
		case withoutEffect(err):
			s.log.Warn("cannot revoke expired leases; trying again",
				slog.Int("leases", len(ids)), slog.Any("error", err))
			if again.pause(ctx) == nil {
				continue
			}
		}
		s.mu.Lock()
		s.mu.table.again = append(s.mu.table.again, ids...)
		s.mu.Unlock()
		return fmt.Errorf("revoke %d expired leases: %w", len(ids), err)
	}
}

// expired forgets leases whose revoke took effect.
func (s *Service) expired(ids []int64, existed int) {
	s.metrics.revoked.Add(float64(existed))
	s.metrics.expired.Add(float64(existed))
	s.metrics.revokeLeases.Observe(float64(len(ids)))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.table.revoked(ids)
}
