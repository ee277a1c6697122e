package lease

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
)

// Grant creates a lease. Less time than Config.MinTTL is raised to that. It fails with errdefs.ErrLeaseTTLTooLarge
// above TTLMax and with errdefs.ErrLeaseExists when the id is taken.
func (s *Service) Grant(ctx context.Context, req *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	if req.GetTtl() > TTLMax {
		return nil, fmt.Errorf("grant %d s: %w", req.GetTtl(), errdefs.ErrLeaseTTLTooLarge)
	}
	id, ttl := req.GetId(), max(req.GetTtl(), s.cfg.MinTTL)
	var resp *leasev1.GrantResponse
	err := s.within(ctx, func(ctx context.Context) error {
		for {
			chosen := id
			if chosen == 0 {
				chosen = rand.Int64N(math.MaxInt64) + 1
			}
			result, err := s.grant(ctx, chosen, ttl)
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
	s.metrics.granted.Inc()
	s.metrics.ttl.Observe(float64(ttl))
	return resp, nil
}

func (s *Service) grant(ctx context.Context, id, ttl int64) (*consensusv1.Result, error) {
	if err := s.claimOne(ctx, id); err != nil {
		return nil, err
	}
	epoch, _, _ := s.Standing()
	result, err := s.proposeOnce(ctx, epoch, &consensusv1.Command{Command: &consensusv1.Command_LeaseGrant{
		LeaseGrant: &consensusv1.LeaseGrantOp{Id: id, Ttl: ttl, Epoch: epoch},
	}})
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.mu.table
	replaced := s.mu.role == passive || s.mu.role == stopped
	switch {
	case err != nil && replaced:
	case errors.Is(err, errdefs.ErrLeaseExists) && t.leases[id] == nil:
		t.inquire(id)
		wake(s.reconcileNow)
		return nil, err
	case err != nil && !withoutEffect(err):
		s.loseLocked(epoch, id)
		return nil, err
	case err == nil && replaced:
		err = fmt.Errorf("granted by a holder that was replaced: %w", errdefs.ErrLeaderChanged)
	case err == nil:
		at, _ := s.now()
		t.add(id, ttl, s.mu.time.atMost(at).plus(seconds(ttl)), s.mu.time.now(at))
		wake(s.expireNow)
	}
	t.release(id)
	return result, err
}

// loseLocked leaves a claimed id, for which something was proposed under an epoch and lost, to the comparison that follows
// the next epoch: which may have begun already.
func (s *Service) loseLocked(epoch uint64, id int64) {
	if s.mu.epoch != epoch {
		s.mu.table.inquire(id)
		wake(s.reconcileNow)
		return
	}
	s.mu.table.lose(id)
	wake(s.settleNow)
}

// proposeOnce proposes what a client asked for, under an epoch. It goes on when the client has left, as long as the epoch is
// held: an outcome that nobody learns costs all leases an epoch.
func (s *Service) proposeOnce(ctx context.Context, epoch uint64, c *consensusv1.Command) (*consensusv1.Result, error) {
	s.mu.Lock()
	during := s.mu.during
	s.mu.Unlock()
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(during, func() { cancel(context.Cause(during)) })()
	result, err := s.propose(ctx, c)
	switch {
	case errors.Is(err, errdefs.ErrStaleEpoch):
		s.fenced(epoch)
	case err != nil && during.Err() != nil && ctx.Err() != nil:
		err = fmt.Errorf("%w: the lease epoch ended before the outcome was known: %w", errdefs.ErrLeaderChanged, err)
	}
	return result, err
}

// Revoke ends a lease and deletes its keys. It fails with errdefs.ErrLeaseNotFound when there is none. When the
// outcome of a revoke is unknown, the lease will be revoked for certain.
func (s *Service) Revoke(ctx context.Context, req *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
	var resp *leasev1.RevokeResponse
	err := s.within(ctx, func(ctx context.Context) error {
		result, err := s.revoke(ctx, req.GetId())
		for errors.Is(err, errdefs.ErrStaleEpoch) { // under the next epoch, if it is this service's
			result, err = s.revoke(ctx, req.GetId())
		}
		resp = &leasev1.RevokeResponse{Revision: result.GetRevision(), RaftTerm: result.GetRaftTerm()}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("revoke lease %016x: %w", req.GetId(), err)
	}
	s.metrics.revoked.Inc()
	return resp, nil
}

func (s *Service) revoke(ctx context.Context, id int64) (*consensusv1.Result, error) {
	if err := s.claimOne(ctx, id); err != nil {
		return nil, err
	}
	epoch, _, _ := s.Standing()
	result, err := s.proposeOnce(ctx, epoch, &consensusv1.Command{Command: &consensusv1.Command_LeaseRevoke{
		LeaseRevoke: &consensusv1.LeaseRevokeOp{Ids: []int64{id}, Fence: epoch},
	}})
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.mu.table
	switch e := t.leases[id]; {
	case err == nil, errors.Is(err, errdefs.ErrLeaseNotFound):
		t.remove(id)
	case withoutEffect(err), s.mu.role == passive, s.mu.role == stopped:
	case e == nil:
		s.loseLocked(epoch, id)
		return nil, err
	case s.mu.epoch != epoch: // the claim goes with it, here and below
		t.doom(e)
		t.again = append(t.again, id)
		wake(s.expireNow)
		return nil, err
	default:
		t.loseRevoke(e)
		wake(s.settleNow)
		return nil, err
	}
	t.release(id)
	return result, err
}

// claimOne waits until this service holds the epoch and nothing is under way for the id, and claims it.
func (s *Service) claimOne(ctx context.Context, id int64) error {
	for {
		if err := s.assure(ctx, s.recent()); err != nil {
			return err
		}
		s.mu.Lock()
		busy := s.mu.table.claims[id]
		if busy == nil && s.mu.role == holding {
			s.mu.table.claim(newClaim(), id)
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		if busy == nil {
			continue
		}
		if err := await(ctx, busy.done); err != nil {
			return err
		}
	}
}

// TimeToLive tells the whole seconds that a lease has left, 0 once it has expired, -1 when there is none; and, when
// asked, its keys. It is linearizable.
func (s *Service) TimeToLive(ctx context.Context, req *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
	resp := &leasev1.TimeToLiveResponse{Ttl: -1}
	err := s.within(ctx, func(ctx context.Context) error {
		if err := s.assureSettled(ctx, req.GetId()); err != nil {
			return err
		}
		s.mu.Lock()
		e := s.mu.table.leases[req.GetId()]
		resp.Revision, resp.RaftTerm = s.mu.seen.revision, s.mu.seen.term
		if e != nil {
			resp.Ttl = max(0, int64(e.deadline.until(s.countedLocked())/time.Second))
			resp.GrantedTtl = e.ttl
		}
		s.mu.Unlock()
		if e == nil || !req.GetKeys() {
			return nil
		}
		keys, err := s.consensus.LeaseKeys(ctx, &consensusv1.LeaseKeysRequest{Id: req.GetId()})
		if errors.Is(err, errdefs.ErrLeaseNotFound) {
			return s.gone(ctx, resp)
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
func (s *Service) gone(ctx context.Context, resp *leasev1.TimeToLiveResponse) error {
	if _, err := s.seenEpoch(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	resp.Ttl, resp.GrantedTtl = -1, 0
	resp.Revision, resp.RaftTerm = s.mu.seen.revision, s.mu.seen.term
	return nil
}

// listsMax is how many lists of all leases are made at a time, each of which sorts all of them and takes some 50 MB for a million:
// others wait.
const listsMax = 2

// List names all leases, those that expire first first. It is linearizable. Of those beyond listsMax each waits for one to end.
func (s *Service) List(ctx context.Context, _ *leasev1.ListRequest) (*leasev1.ListResponse, error) {
	deadlines := map[int64]instant{}
	resp := &leasev1.ListResponse{}
	err := s.within(ctx, func(ctx context.Context) error {
		select {
		case s.lists <- struct{}{}:
			defer func() { <-s.lists }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := s.assureSettled(ctx, 0); err != nil {
			return err
		}
		s.mu.Lock()
		resp.Revision, resp.RaftTerm = s.mu.seen.revision, s.mu.seen.term
		s.mu.Unlock()
		for before := math.MaxInt; before > 0; {
			before = s.listSlice(before, deadlines)
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

// listSlice notes some of the leases before a place in the table's order, and answers where to go on. Leases that come and go
// meanwhile are listed or not, as if they had come or gone a little earlier or later.
func (s *Service) listSlice(before int, deadlines map[int64]instant) (next int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	order := s.mu.table.order
	before = min(before, len(order))
	next = max(0, before-sliceLeasesMax)
	for _, e := range order[next:before] {
		deadlines[e.id] = e.deadline
	}
	return next
}

// assureSettled waits until this service certainly held the newest epoch at or after the call, and knows whether there is
// such a lease, or with id 0 which leases there are.
func (s *Service) assureSettled(ctx context.Context, id int64) error {
	called, _ := s.now()
	for {
		if err := s.assure(ctx, called); err != nil {
			return err
		}
		s.mu.Lock()
		unsettled := s.mu.table.unsettledClaim(id)
		s.mu.Unlock()
		if unsettled == nil {
			return nil
		}
		if err := await(ctx, unsettled.done); err != nil {
			return err
		}
	}
}

// within runs a request that gives up with errdefs.ErrTimeout after Config.RequestTimeout.
func (s *Service) within(ctx context.Context, request func(context.Context) error) error {
	bounded, cancel := context.WithTimeoutCause(ctx, s.cfg.RequestTimeout, errdefs.ErrTimeout)
	defer cancel()
	err := request(bounded)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil && !errors.Is(err, errdefs.ErrTimeout) {
		return fmt.Errorf("%w: %w", errdefs.ErrTimeout, err)
	}
	return err
}
