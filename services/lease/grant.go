package lease

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

func (c *changer) grant(ctx context.Context, req *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	ttl, err := grantedTTL(req.GetTtl(), c.minTTL)
	if err != nil {
		return nil, err
	}
	id := req.GetId()
	var resp *leasev1.GrantResponse
	err = within(ctx, c.timeout, func(ctx context.Context) error {
		for {
			chosen := id
			if chosen == 0 {
				chosen = rand.Int64N(math.MaxInt64) + 1
			}
			result, err := c.grantOnce(ctx, req.GetCaller(), chosen, ttl)
			if id == 0 && errors.Is(err, errdefs.ErrLeaseExists) || errors.Is(err, errdefs.ErrStaleEpoch) {
				continue // with another id, or under the next epoch, if it is this service's
			}
			resp = &leasev1.GrantResponse{Id: chosen, Ttl: ttl, Revision: result.GetRevision(), RaftTerm: result.GetRaftTerm()}
			return err
		}
	})
	if err != nil {
		return nil, fmt.Errorf("grant lease: %w", err)
	}
	return resp, nil
}

func (c *changer) grantOnce(ctx context.Context, caller *consensusv1.Caller, id, ttl int64) (*consensusv1.Result, error) {
	epoch, during, err := c.latch(ctx, id)
	if err != nil {
		return nil, err
	}
	result, err := c.propose(ctx, epoch, during, caller, &consensusv1.Command{Command: &consensusv1.Command_LeaseGrant{
		LeaseGrant: &consensusv1.LeaseGrantOp{Id: id, Ttl: ttl, Epoch: epoch},
	}})
	counted := false
	c.core.step(func(l *lessor.Lessor, now lessor.Moment) {
		counted = l.Granted(now, epoch, id, ttl, outcomeOf(err, errdefs.ErrLeaseExists))
	})
	if err == nil && !counted {
		err = fmt.Errorf("granted by a holder that was replaced: %w", errdefs.ErrLeaderChanged)
	}
	return result, err
}
