package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

const (
	// checkpointLeasesMax is how many leases one checkpoint entry records.
	checkpointLeasesMax = 1000
	// checkpointsPerInterval is how many times in an interval due checkpoints are looked for.
	checkpointsPerInterval = 300
	// checkpointEntriesMax is how many checkpoint entries are proposed at each look: at the default interval 10,000 leases a second.
	// A million that fall due together, as after a take-over, leave the log to clients meanwhile.
	checkpointEntriesMax = 10
)

// checkpointer records the remaining time of long leases that nobody kept alive for a while, so that a take-over does
// not give them all of it again.
type checkpointer struct {
	core     *core
	store    *proposer
	metrics  *metrics
	log      *slog.Logger
	interval time.Duration
}

// run records until ctx ends or the outcome of a checkpoint is unknown: one that took effect late, after a keep-alive has
// cleared it, would make a take-over break that keep-alive's promise. The next epoch keeps it from taking effect.
func (c *checkpointer) run(ctx context.Context, epoch uint64) error {
	for {
		if err := pause(ctx, c.interval/checkpointsPerInterval); err != nil {
			return err
		}
		for more, entries := true, 0; more && entries < checkpointEntriesMax; {
			var recorded int
			var err error
			if recorded, more, err = c.record(ctx, epoch); err != nil {
				return err
			}
			if recorded > 0 {
				entries++
			}
		}
	}
}

// record records what is due, at most checkpointLeasesMax leases, and tells of how many and whether there is more to look at.
func (c *checkpointer) record(ctx context.Context, epoch uint64) (recorded int, more bool, err error) {
	var due []*consensusv1.LeaseCheckpointOp_Remaining
	c.core.step(func(l *lessor.Lessor, now lessor.Moment) { due, more = l.TakeCheckpoints(now, checkpointLeasesMax) })
	if len(due) == 0 {
		return 0, more, nil
	}
	ids := make([]int64, len(due))
	for i, r := range due {
		ids[i] = r.Id
	}
	err = c.store.checkpoint(ctx, epoch, due)
	c.core.step(func(l *lessor.Lessor, _ lessor.Moment) { l.Checkpointed(ids) })
	switch {
	case err == nil:
		c.metrics.checkpointed.Add(float64(len(due)))
		return len(due), more, nil
	case errors.Is(err, errdefs.ErrStaleEpoch):
		c.core.fenced(epoch)
		return 0, false, err
	case withoutEffect(err):
		c.log.Warn("cannot checkpoint leases", slog.Int("leases", len(due)), slog.Any("error", err))
		return 0, false, nil
	}
	return 0, false, fmt.Errorf("checkpoint %d leases: %w", len(due), err)
}
