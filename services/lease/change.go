package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

// changer makes the grants and revokes that clients ask for.
type changer struct {
	core    *core
	store   *proposer
	epoch   *confirmer
	metrics *metrics
	minTTL  int64
	timeout time.Duration
}

// latch waits until this service holds the epoch and nothing is under way for the id, and latches it. It returns the epoch, and
// what lasts as long as that is held.
func (c *changer) latch(ctx context.Context, id int64) (epoch uint64, during context.Context, err error) {
	for {
		if err := c.epoch.assure(ctx, c.epoch.recent()); err != nil {
			return 0, nil, err
		}
		var busy *lessor.Latch
		latched := false
		c.core.step(func(l *lessor.Lessor, _ lessor.Moment) {
			epoch, busy, latched = l.Latch(id)
			during = c.core.mu.during
		})
		if latched {
			return epoch, during, nil
		}
		if busy == nil {
			continue
		}
		if err := await(ctx, busy.Released()); err != nil {
			return 0, nil, err
		}
	}
}

// propose proposes what a client asked for, under an epoch. It goes on when the client has left, as long as the epoch is
// held: an outcome that nobody learns costs all leases an epoch.
func (c *changer) propose(ctx context.Context, epoch uint64, during context.Context, caller *consensusv1.Caller, command *consensusv1.Command) (*consensusv1.Result, error) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(during, func() { cancel(context.Cause(during)) })()
	result, err := c.store.propose(ctx, caller, command)
	switch {
	case errors.Is(err, errdefs.ErrStaleEpoch):
		c.core.fenced(epoch)
	case err != nil && during.Err() != nil && ctx.Err() != nil:
		err = fmt.Errorf("%w: the lease epoch ended before the outcome was known: %w", errdefs.ErrLeaderChanged, err)
	}
	return result, err
}
