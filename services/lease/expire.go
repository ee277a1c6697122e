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
	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

// expiryPause is how long the expirer gathers expired leases between two looks: it bounds how late a lease
// expires and how many entries a trickle of expiries costs.
const expiryPause = 100 * time.Millisecond

// expirer has expired leases revoked.
type expirer struct {
	core    *core
	store   *proposer
	metrics *metrics
	log     *slog.Logger
	// leasesMax is how many leases one revoke ends, and inFlightMax how many revokes may wait for their outcome.
	leasesMax, inFlightMax int
}

// run has expired leases revoked, many at a time and a few such revokes at once, until ctx ends or the outcome of a
// revoke is unknown. A lease is taken no sooner than its revoke can be proposed at once: until then a keep-alive
// still saves it.
func (e *expirer) run(ctx context.Context, epoch uint64) error {
	g, gctx := errgroup.WithContext(ctx)
	free := make(chan struct{}, e.inFlightMax)
	for gctx.Err() == nil {
		select {
		case free <- struct{}{}:
		case <-gctx.Done():
			continue
		}
		ids, next := e.take()
		if len(ids) > 0 {
			g.Go(func() error {
				defer func() { <-free }()
				return e.revoke(gctx, epoch, ids)
			})
		} else {
			<-free
		}
		if len(ids) < e.leasesMax && next > 0 || len(ids) == 0 {
			e.await(gctx, next)
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// take takes what has expired, and answers how long it takes until more may have.
func (e *expirer) take() (ids []int64, next time.Duration) {
	for more := true; more; {
		e.core.step(func(l *lessor.Lessor, now lessor.Moment) { ids, next, more = l.TakeExpired(now, e.leasesMax) })
	}
	return ids, next
}

// await waits until a lease may have expired, and long enough for several to gather.
func (e *expirer) await(ctx context.Context, next time.Duration) {
	if pause(ctx, expiryPause) != nil {
		return
	}
	t := time.NewTimer(next)
	defer t.Stop()
	select {
	case <-t.C:
	case <-e.core.expire:
	case <-ctx.Done():
	}
}

// revoke proposes the revoke of leases that were taken. An error means that its outcome is unknown, or that the epoch is
// stale; the leases are to be revoked all the same.
func (e *expirer) revoke(ctx context.Context, epoch uint64, ids []int64) error {
	var again retry
	for {
		result, err := e.store.propose(ctx, internal, &consensusv1.Command{Command: &consensusv1.Command_LeaseRevoke{
			LeaseRevoke: &consensusv1.LeaseRevokeOp{Ids: ids, Epoch: epoch},
		}})
		switch {
		case err == nil:
			e.metrics.expired.Add(float64(len(result.GetLeaseRevoke().GetRevoked())))
			e.metrics.revokeLeases.Observe(float64(len(ids)))
			e.core.step(func(l *lessor.Lessor, _ lessor.Moment) { l.Expired(ids, true) })
			return nil
		case errors.Is(err, errdefs.ErrStaleEpoch):
			e.core.fenced(epoch)
			return err
		case withoutEffect(err):
			e.log.Warn("cannot revoke expired leases; trying again",
				slog.Int("leases", len(ids)), slog.Any("error", err))
			if again.pause(ctx) == nil {
				continue
			}
		}
		e.core.step(func(l *lessor.Lessor, _ lessor.Moment) { l.Expired(ids, false) })
		return fmt.Errorf("revoke %d expired leases: %w", len(ids), err)
	}
}
