package lease

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// reconcile compares the table with the leases that exist, now and then and when asked to, until ctx ends. It finds
// leases whose grant took effect without its outcome being learnt, here or by an earlier holder; without it nobody
// would ever expire them.
func (s *Service) reconcile(ctx context.Context) error {
	for {
		if err := pause(ctx, reconcilePause); err != nil {
			return err
		}
		t := time.NewTimer(s.cfg.ReconcileInterval)
		select {
		case <-t.C:
		case <-s.reconcileNow:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		added, forgotten, err := s.compare(ctx, false)
		switch {
		case err != nil:
			s.log.Warn("cannot compare leases with the store", slog.Any("error", err))
		case added+forgotten > 0:
			s.log.Info("lease table corrected", slog.Int("added", added), slog.Int("forgotten", forgotten))
			wake(s.expireNow)
		}
	}
}

// takeStock loads the leases that exist after a take-over, and gives each all its time.
func (s *Service) takeStock(ctx context.Context) (leases int, err error) {
	if _, _, err := s.compare(ctx, true); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.table.leases), nil
}

func (s *Service) compare(ctx context.Context, takeOver bool) (added, forgotten int, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.RequestTimeout)
	defer cancel()
	s.mu.Lock()
	s.mu.table.beginRound()
	s.mu.Unlock()
	list, err := s.consensus.Leases(ctx, &consensusv1.LeasesRequest{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.mu.table.abortRound()
		return 0, 0, fmt.Errorf("list leases: %w", err)
	}
	// Time starts now, after the list was read: late rather than early.
	added, forgotten = s.mu.table.endRound(list.GetLeases(), s.now(), holdWindow, takeOver)
	return added, forgotten, nil
}
