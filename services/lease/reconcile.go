package lease

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

// reconcilePause is the least time between two comparisons, however many were asked for.
const reconcilePause = time.Second

// reconciler compares the table with the leases that exist.
type reconciler struct {
	core              *core
	consensus         Consensus
	interval, timeout time.Duration
	log               *slog.Logger
}

// run compares now and then and when asked to, until ctx ends. It finds leases whose grant took effect without its outcome
// being learnt, here or by an earlier holder; without it nobody would ever expire them.
func (r *reconciler) run(ctx context.Context) error {
	var again retry
	for {
		t := time.NewTimer(r.interval)
		select {
		case <-t.C:
		case <-r.core.reconcile:
		case <-ctx.Done():
		}
		t.Stop()
		status, _ := r.core.status()
		if err := pause(ctx, time.Duration(status.Reconciled.Plus(reconcilePause)-r.core.now().At)); err != nil {
			return err
		}
		added, forgotten, err := r.compare(ctx, false)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx) // a question that the end has cut short is no trouble of the store's
		case err != nil:
			r.log.Warn("cannot compare leases with the store; trying again", slog.Any("error", err))
			if err := again.pause(ctx); err != nil {
				return err
			}
			wake(r.core.reconcile)
			continue
		case added+forgotten > 0:
			r.log.Info("lease table corrected", slog.Int("added", added), slog.Int("forgotten", forgotten))
			wake(r.core.expire)
		}
		again = 0
	}
}

// compare makes the table agree with the store: it adds what it did not know and forgets what is gone. With takeOver, every
// lease gets its time again. It answers how many leases it added and forgot.
func (r *reconciler) compare(ctx context.Context, takeOver bool) (added, forgotten int, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	var comparison lessor.Reconciliation
	r.core.step(func(l *lessor.Lessor, _ lessor.Moment) { comparison = l.Reconcile(takeOver) })
	list, err := r.consensus.Leases(ctx, &consensusv1.LeasesRequest{})
	if err != nil {
		r.core.step(func(*lessor.Lessor, lessor.Moment) { comparison.Abort() })
		return 0, 0, fmt.Errorf("list leases: %w", err)
	}
	r.core.step(func(_ *lessor.Lessor, now lessor.Moment) { comparison.Listed(now) })
	going := true
	for some := range slices.Chunk(list.GetLeases(), lessor.SliceLeasesMax) {
		r.core.step(func(_ *lessor.Lessor, now lessor.Moment) {
			if going = comparison.Going(); going {
				added += comparison.Add(now, some)
			}
		})
		if !going {
			return 0, 0, lessor.ErrSteppedDown
		}
	}
	for before := math.MaxInt; before > 0 && going; {
		r.core.step(func(*lessor.Lessor, lessor.Moment) {
			if going = comparison.Going(); going {
				var n int
				before, n = comparison.Forget(before)
				forgotten += n
			}
		})
	}
	r.core.step(func(*lessor.Lessor, lessor.Moment) { comparison.End() })
	return added, forgotten, nil
}
