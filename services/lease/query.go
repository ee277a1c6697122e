package lease

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

// listsMax is how many lists of all leases are made at a time, each of which sorts all of them and takes some 50 MB for a million:
// others wait.
const listsMax = 2

// reader answers what there is.
type reader struct {
	core    *core
	store   *proposer
	epoch   *confirmer
	timeout time.Duration
	// lists holds a place for each list under way.
	lists chan struct{}
}

func (r *reader) timeToLive(ctx context.Context, req *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
	var resp *leasev1.TimeToLiveResponse
	err := within(ctx, r.timeout, func(ctx context.Context) error {
		if err := r.epoch.assureKnown(ctx, req.GetId()); err != nil {
			return err
		}
		var found lessor.Remaining
		r.core.step(func(l *lessor.Lessor, now lessor.Moment) { found = l.Remaining(now, req.GetId()) })
		resp = &leasev1.TimeToLiveResponse{
			Ttl: found.TTL, GrantedTtl: found.Granted, Revision: found.Seen.Revision, RaftTerm: found.Seen.Term,
		}
		if !found.Exists() || !req.GetKeys() {
			return nil
		}
		keys, err := r.store.consensus.LeaseKeys(ctx, &consensusv1.LeaseKeysRequest{Id: req.GetId()})
		if errors.Is(err, errdefs.ErrLeaseNotFound) {
			return r.gone(ctx, resp)
		}
		resp.Keys = keys.GetKeys()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("time to live of lease %016x: %w", req.GetId(), err)
	}
	return resp, nil
}

// gone answers that a lease that was there a moment ago has ended, at a revision that is not before its end.
func (r *reader) gone(ctx context.Context, resp *leasev1.TimeToLiveResponse) error {
	if _, err := r.store.newestEpoch(ctx); err != nil {
		return err
	}
	status, _ := r.core.status()
	resp.Ttl, resp.GrantedTtl = -1, 0
	resp.Revision, resp.RaftTerm = status.Seen.Revision, status.Seen.Term
	return nil
}

func (r *reader) list(ctx context.Context) (*leasev1.ListResponse, error) {
	deadlines := map[int64]lessor.Instant{}
	resp := &leasev1.ListResponse{}
	err := within(ctx, r.timeout, func(ctx context.Context) error {
		select {
		case r.lists <- struct{}{}:
			defer func() { <-r.lists }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := r.epoch.assureKnown(ctx, 0); err != nil {
			return err
		}
		status, _ := r.core.status()
		resp.Revision, resp.RaftTerm = status.Seen.Revision, status.Seen.Term
		for before := math.MaxInt; before > 0; {
			r.core.step(func(l *lessor.Lessor, _ lessor.Moment) { before = l.Deadlines(before, deadlines) })
		}
		resp.Ids = slices.Collect(maps.Keys(deadlines))
		slices.SortFunc(resp.Ids, func(a, b int64) int {
			return cmp.Or(cmp.Compare(deadlines[a], deadlines[b]), cmp.Compare(a, b))
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", err)
	}
	return resp, nil
}
