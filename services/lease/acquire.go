package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

// acquirer acquires epochs.
type acquirer struct {
	core       *core
	store      *proposer
	reconciler *reconciler
	holder     string
	log        *slog.Logger
}

// acquire makes this service the only one that may expire leases, and returns its epoch. It tries until it succeeds or
// ctx ends. If newest, the last epoch of this service, turns out to be followed by another's, it fails with lessor.ErrFenced
// instead of taking the leases away from that holder, and with lessor.ErrRolledBack if the store knows only older ones.
//
// If the new epoch follows newest directly, nobody held one in between and the table is as good as it was. Otherwise
// the leases are listed anew, and each gets all its time again.
func (a *acquirer) acquire(ctx context.Context, newest uint64) (uint64, error) {
	var again retry
	// proposed says that an attempt may have moved the epoch on, so that a newer one need not be another's.
	proposed := newest == 0
	for {
		epoch, err := a.try(ctx, newest, &proposed)
		if err == nil || errors.Is(err, lessor.ErrFenced) || errors.Is(err, lessor.ErrRolledBack) {
			return epoch, err
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		a.log.Warn("cannot acquire the lease epoch; trying again", slog.Any("error", err))
		if err := again.pause(ctx); err != nil {
			return 0, err
		}
	}
}

func (a *acquirer) try(ctx context.Context, newest uint64, proposed *bool) (uint64, error) {
	if !*proposed {
		seen, err := a.store.newestEpoch(ctx)
		if err != nil {
			return 0, err
		}
		if seen > newest {
			return 0, lessor.ErrFenced
		}
		if seen < newest {
			return 0, lessor.RolledBack(newest, seen)
		}
	}
	*proposed = true
	began := a.core.now()
	resp, err := a.store.propose(ctx, internal, &consensusv1.Command{Command: &consensusv1.Command_LeaseAcquire{
		LeaseAcquire: &consensusv1.LeaseAcquireOp{Holder: a.holder},
	}})
	if err != nil {
		return 0, fmt.Errorf("acquire: %w", err)
	}
	epoch := resp.GetLeaseAcquire().GetEpoch()
	a.core.step(func(l *lessor.Lessor, now lessor.Moment) { l.Acquired(now, began, epoch) })
	if newest != 0 && epoch == newest+1 {
		return epoch, nil
	}
	if _, _, err := a.reconciler.compare(ctx, true); err != nil {
		return 0, err
	}
	status, _ := a.core.status()
	a.log.Info("acquired the lease epoch", slog.Uint64("epoch", epoch), slog.Int("leases", status.Leases))
	return epoch, nil
}
