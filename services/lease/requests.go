package lease

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/pkg/problem"
)

// Grant creates a lease. Less time than Config.MinTTL is raised to that. It fails with problem.ErrLeaseTTLTooLarge
// above TTLMax and with problem.ErrLeaseExists when the id is taken.
func (s *Service) Grant(ctx context.Context, req *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	if req.GetTtl() > TTLMax {
		return nil, fmt.Errorf("grant %d s: %w", req.GetTtl(), problem.ErrLeaseTTLTooLarge)
	}
	id, ttl := req.GetId(), max(req.GetTtl(), s.cfg.MinTTL)
	var resp *leasev1.GrantResponse
	err := s.within(ctx, func(ctx context.Context) error {
		for {
			chosen := id
			if chosen == 0 {
				chosen = rand.Int64N(math.MaxInt64) + 1
			}
			revision, err := s.grant(ctx, chosen, ttl)
			if id == 0 && errors.Is(err, problem.ErrLeaseExists) || errors.Is(err, problem.ErrStaleEpoch) {
				continue // with another id, or under the next epoch, if it is this service's
			}
			resp = &leasev1.GrantResponse{Id: chosen, Ttl: ttl, Revision: revision}
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

func (s *Service) grant(ctx context.Context, id, ttl int64) (revision int64, err error) {
	if err := s.claimOne(ctx, id); err != nil {
		return 0, err
	}
	epoch, _, _ := s.Standing()
	result, err := s.propose(ctx, &consensusv1.Command{Command: &consensusv1.Command_LeaseGrant{
		LeaseGrant: &consensusv1.LeaseGrantOp{Id: id, Ttl: ttl, Epoch: epoch},
	}})
	if errors.Is(err, problem.ErrStaleEpoch) {
		s.fenced(epoch)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.table.release(id)
	switch {
	case err != nil:
		if !withoutEffect(err) {
			wake(s.reconcileNow)
		}
		return 0, err
	case s.mu.role == passive:
		return 0, fmt.Errorf("granted by a holder that was replaced: %w", problem.ErrLeaderChanged)
	}
	now := s.now()
	s.mu.table.add(id, ttl, now.plus(seconds(ttl)), now)
	wake(s.expireNow)
	return result.GetRevision(), nil
}

// Revoke ends a lease and deletes its keys. It fails with problem.ErrLeaseNotFound when there is none. When the
// outcome of a revoke is unknown, the lease will be revoked for certain.
func (s *Service) Revoke(ctx context.Context, req *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
	var resp *leasev1.RevokeResponse
	err := s.within(ctx, func(ctx context.Context) error {
		revision, err := s.revoke(ctx, req.GetId())
		resp = &leasev1.RevokeResponse{Revision: revision}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("revoke lease %016x: %w", req.GetId(), err)
	}
	s.metrics.revoked.Inc()
	return resp, nil
}

func (s *Service) revoke(ctx context.Context, id int64) (revision int64, err error) {
	if err := s.claimOne(ctx, id); err != nil {
		return 0, err
	}
	result, err := s.propose(ctx, &consensusv1.Command{Command: &consensusv1.Command_LeaseRevoke{
		LeaseRevoke: &consensusv1.LeaseRevokeOp{Ids: []int64{id}},
	}})
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.mu.table
	switch {
	case err == nil, errors.Is(err, problem.ErrLeaseNotFound):
		t.remove(id)
	case !withoutEffect(err) && t.leases[id] != nil:
		t.doom(t.leases[id])
		t.again = append(t.again, id) // and the claim goes with it
		wake(s.expireNow)
		return 0, err
	case !withoutEffect(err):
		wake(s.reconcileNow)
	}
	t.release(id)
	return result.GetRevision(), err
}

// claimOne waits until this service holds the epoch and nothing is under way for the id, and claims it.
func (s *Service) claimOne(ctx context.Context, id int64) error {
	for {
		if err := s.assure(ctx, s.now().plus(-holdWindow)); err != nil {
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
		if err := s.assure(ctx, s.now()); err != nil {
			return err
		}
		s.mu.Lock()
		e := s.mu.table.leases[req.GetId()]
		if e != nil {
			resp.Ttl = max(0, int64(e.deadline.until(s.now())/time.Second))
			resp.GrantedTtl = e.ttl
		}
		s.mu.Unlock()
		if e == nil || !req.GetKeys() {
			return nil
		}
		keys, err := s.consensus.LeaseKeys(ctx, &consensusv1.LeaseKeysRequest{Id: req.GetId()})
		if errors.Is(err, problem.ErrLeaseNotFound) {
			resp = &leasev1.TimeToLiveResponse{Ttl: -1}
			return nil
		}
		resp.Keys = keys.GetKeys()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("time to live of lease %016x: %w", req.GetId(), err)
	}
	return resp, nil
}

// List names all leases, those that expire first first. It is linearizable.
func (s *Service) List(ctx context.Context, _ *leasev1.ListRequest) (*leasev1.ListResponse, error) {
	type left struct {
		id       int64
		deadline instant
	}
	var all []left
	err := s.within(ctx, func(ctx context.Context) error {
		if err := s.assure(ctx, s.now()); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for id, e := range s.mu.table.leases {
			all = append(all, left{id, e.deadline})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", err)
	}
	slices.SortFunc(all, func(a, b left) int {
		return cmp.Or(cmp.Compare(a.deadline, b.deadline), cmp.Compare(a.id, b.id))
	})
	resp := &leasev1.ListResponse{Ids: make([]int64, len(all))}
	for i, l := range all {
		resp.Ids[i] = l.id
	}
	return resp, nil
}

// within runs a request that gives up with problem.ErrTimeout after Config.RequestTimeout.
func (s *Service) within(ctx context.Context, request func(context.Context) error) error {
	bounded, cancel := context.WithTimeoutCause(ctx, s.cfg.RequestTimeout, problem.ErrTimeout)
	defer cancel()
	err := request(bounded)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil && !errors.Is(err, problem.ErrTimeout) {
		return fmt.Errorf("%w: %w", problem.ErrTimeout, err)
	}
	return err
}
