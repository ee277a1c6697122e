package lease

import (
	"context"
	"errors"
	"fmt"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

// revoke has a client's revoke proposed. What becomes of the lease and its keys is the state machine's, the same where a lease expires
// (expire.go): statemachine's revokeLeases.
func (c *changer) revoke(ctx context.Context, req *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
	var resp *leasev1.RevokeResponse
	err := within(ctx, c.timeout, func(ctx context.Context) error {
		result, err := c.revokeOnce(ctx, req.GetCaller(), req.GetId())
		for errors.Is(err, errdefs.ErrStaleEpoch) { // under the next epoch, if it is this service's
			result, err = c.revokeOnce(ctx, req.GetCaller(), req.GetId())
		}
		resp = &leasev1.RevokeResponse{Revision: result.GetRevision(), RaftTerm: result.GetRaftTerm()}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("revoke lease %016x: %w", req.GetId(), err)
	}
	return resp, nil
}

func (c *changer) revokeOnce(ctx context.Context, caller *consensusv1.Caller, id int64) (*consensusv1.Result, error) {
	epoch, during, err := c.latch(ctx, id)
	if err != nil {
		return nil, err
	}
	result, err := c.propose(ctx, epoch, during, caller, &consensusv1.Command{Command: &consensusv1.Command_LeaseRevoke{
		LeaseRevoke: &consensusv1.LeaseRevokeOp{Ids: []int64{id}, Fence: epoch},
	}})
	c.core.step(func(l *lessor.Lessor, _ lessor.Moment) {
		l.Revoked(epoch, id, outcomeOf(err, errdefs.ErrLeaseNotFound))
	})
	return result, err
}
