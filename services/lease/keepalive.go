package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

// renewer answers keep-alives.
type renewer struct {
	core    *core
	store   *proposer
	epoch   *confirmer
	metrics *metrics
	timeout time.Duration
}

func (r *renewer) keepAlive(ctx context.Context, req *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
	renewal := lessor.NewRenewal(req.GetIds(), r.core.now())
	renewal.NoWait = req.GetNoWait()
	if sure := r.renew(renewal); !sure || !renewal.Answered() {
		err := within(ctx, r.timeout, func(ctx context.Context) error { return r.finish(ctx, renewal, sure) })
		if err != nil {
			return nil, fmt.Errorf("keep alive: %w", err)
		}
	}
	r.metrics.renewed.Add(float64(renewal.Renewed))
	return &leasev1.KeepAliveResponse{Ttls: renewal.TTLs, Revision: renewal.Seen.Revision, RaftTerm: renewal.Seen.Term}, nil
}

func (r *renewer) renew(renewal *lessor.Renewal) (sure bool) {
	r.core.step(func(l *lessor.Lessor, now lessor.Moment) { sure = l.Renew(now, renewal) })
	return sure
}

// finish goes on with a renewal, after a first try that was sure or not, until all of it is answered.
func (r *renewer) finish(ctx context.Context, renewal *lessor.Renewal, sure bool) error {
	for {
		var err error
		switch {
		case !sure:
			err = r.epoch.assure(ctx, renewal.Since)
		case len(renewal.Recorded) > 0:
			err = r.clear(ctx, renewal)
			renewal.Since = r.epoch.recent()
		case renewal.Busy != nil:
			err = await(ctx, renewal.Busy.Released())
			renewal.Since = r.epoch.recent()
		default:
			return nil
		}
		if err != nil {
			return err
		}
		sure = r.renew(renewal)
	}
}

// clear makes a take-over give a renewal's leases all of their time, before it promises that.
func (r *renewer) clear(ctx context.Context, renewal *lessor.Renewal) error {
	clear := make([]*consensusv1.LeaseCheckpointOp_Remaining, len(renewal.Recorded))
	for i, id := range renewal.Recorded {
		clear[i] = &consensusv1.LeaseCheckpointOp_Remaining{Id: id}
	}
	err := r.store.checkpoint(ctx, renewal.Epoch, clear)
	r.core.step(func(l *lessor.Lessor, _ lessor.Moment) { l.RecordsCleared(renewal, err == nil) })
	if errors.Is(err, errdefs.ErrStaleEpoch) {
		// Either another holder took over, which the next look shows, or this service itself has moved on.
		r.core.fenced(renewal.Epoch)
		return nil
	}
	if err != nil {
		return fmt.Errorf("clear checkpoints: %w", err)
	}
	return nil
}
