package lease

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// reconcile compares the table with the leases that exist, now and then and when asked to, until ctx ends. It finds
// leases whose grant took effect without its outcome being learnt, here or by an earlier holder; without it nobody
// would ever expire them.
func (s *Service) reconcile(ctx context.Context) error {
	var again retry
	for {
		t := time.NewTimer(s.cfg.ReconcileInterval)
		select {
		case <-t.C:
		case <-s.reconcileNow:
		case <-ctx.Done():
		}
		t.Stop()
		s.mu.Lock()
		since := s.mu.compared
		s.mu.Unlock()
		at, _ := s.now()
		if err := pause(ctx, time.Duration(since.plus(reconcilePause)-at)); err != nil {
			return err
		}
		added, forgotten, err := s.compare(ctx, false)
		switch {
		case err != nil:
			s.log.Warn("cannot compare leases with the store; trying again", slog.Any("error", err))
			if err := again.pause(ctx); err != nil {
				return err
			}
			wake(s.reconcileNow)
			continue
		case added+forgotten > 0:
			s.log.Info("lease table corrected", slog.Int("added", added), slog.Int("forgotten", forgotten))
			wake(s.expireNow)
		}
		again = 0
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

// compare makes the table agree with the store: it adds what it did not know and forgets what is gone. With takeOver, every
// lease gets its time again, the doomed ones too. It answers how many leases it added and forgot.
func (s *Service) compare(ctx context.Context, takeOver bool) (added, forgotten int, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.RequestTimeout)
	defer cancel()
	s.mu.Lock()
	s.mu.table.beginRound()
	s.mu.Unlock()
	list, err := s.consensus.Leases(ctx, &consensusv1.LeasesRequest{})
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.mu.table
	if err != nil {
		t.abortRound()
		return 0, 0, fmt.Errorf("list leases: %w", err)
	}
	at, _ := s.now()
	s.mu.compared = at
	if takeOver {
		t.reprieve()
	}
	for some := range slices.Chunk(list.GetLeases(), sliceLeasesMax) {
		if !t.inRound() { // the service has stepped down
			return 0, 0, errSteppedDown
		}
		// Time starts now, after the list was read: late rather than early.
		at, _ := s.now()
		added += t.compareSlice(some, s.mu.time.atMost(at), holdWindow, takeOver)
		s.yieldLocked()
	}
	for before := math.MaxInt; before > 0 && t.inRound(); {
		var n int
		before, n = t.forgetSlice(before)
		forgotten += n
		s.yieldLocked()
	}
	t.endRound()
	return added, forgotten, nil
}

// yieldLocked lets others have the lock in between.
func (s *Service) yieldLocked() {
	s.mu.Unlock()
	s.mu.Lock()
}
