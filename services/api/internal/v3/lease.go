package v3

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/port"
)

// LeaseServer is etcd's Lease service.
type LeaseServer struct {
	etcdserverpb.UnsafeLeaseServer
	*backend
	lease    port.Lease
	follower *auth.Follower
}

// LeaseGrant creates a lease.
func (s *LeaseServer) LeaseGrant(ctx context.Context, r *etcdserverpb.LeaseGrantRequest) (*etcdserverpb.LeaseGrantResponse, error) {
	bounded, cancel := s.bound(ctx)
	defer cancel()
	granted, err := s.lease.Grant(bounded, &leasev1.GrantRequest{Id: r.GetID(), Ttl: r.GetTTL(), Caller: auth.Caller(ctx)})
	if err != nil {
		return nil, s.proposalError(bounded, err)
	}
	header, err := s.header(ctx, granted.GetRevision(), granted.GetRaftTerm())
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.LeaseGrantResponse{Header: header, ID: granted.GetId(), TTL: granted.GetTtl()}, nil
}

// LeaseRevoke ends a lease and deletes its keys.
func (s *LeaseServer) LeaseRevoke(ctx context.Context, r *etcdserverpb.LeaseRevokeRequest) (*etcdserverpb.LeaseRevokeResponse, error) {
	bounded, cancel := s.bound(ctx)
	defer cancel()
	revoked, err := s.lease.Revoke(bounded, &leasev1.RevokeRequest{Id: r.GetID(), Caller: auth.Caller(ctx)})
	if err != nil {
		return nil, s.proposalError(bounded, err)
	}
	header, err := s.header(ctx, revoked.GetRevision(), revoked.GetRaftTerm())
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.LeaseRevokeResponse{Header: header}, nil
}

// LeaseTimeToLive tells how long a lease has, and its keys if asked to. One that does not exist has -1 seconds.
func (s *LeaseServer) LeaseTimeToLive(ctx context.Context, r *etcdserverpb.LeaseTimeToLiveRequest) (*etcdserverpb.LeaseTimeToLiveResponse, error) {
	seen, err := s.headerSeen(ctx)
	if err != nil {
		return nil, err
	}
	bounded, cancel := s.bound(ctx)
	defer cancel()
	found, err := s.lease.TimeToLive(bounded, &leasev1.TimeToLiveRequest{Id: r.GetID(), Keys: r.GetKeys()})
	if errors.Is(err, errdefs.ErrLeaseNotFound) {
		found, err = &leasev1.TimeToLiveResponse{Ttl: -1}, nil
	}
	if err == nil && r.GetKeys() {
		// Keys may have been attached since the call was let in, and rights may have gone.
		_, err = s.gate.Ask(ctx, &consensusv1.AuthorizeRequest{Lease: r.GetID(), LeaseAccess: consensusv1.Permission_TYPE_READ})
	}
	if err != nil {
		return nil, s.proposalError(bounded, err)
	}
	header, err := s.leaseHeader(ctx, seen, found)
	if err != nil {
		return nil, err
	}
	return &etcdserverpb.LeaseTimeToLiveResponse{
		Header:     header,
		ID:         r.GetID(),
		TTL:        found.GetTtl(),
		GrantedTTL: found.GetGrantedTtl(),
		Keys:       found.GetKeys(),
	}, nil
}

// LeaseLeases lists all leases.
func (s *LeaseServer) LeaseLeases(ctx context.Context, _ *etcdserverpb.LeaseLeasesRequest) (*etcdserverpb.LeaseLeasesResponse, error) {
	seen, err := s.headerSeen(ctx)
	if err != nil {
		return nil, err
	}
	bounded, cancel := s.bound(ctx)
	defer cancel()
	listed, err := s.lease.List(bounded, &leasev1.ListRequest{})
	if err == nil {
		_, err = s.gate.Ask(ctx, &consensusv1.AuthorizeRequest{AllLeases: true}) // as with the keys of one lease
	}
	if err != nil {
		return nil, s.failure(bounded, err)
	}
	header, err := s.leaseHeader(ctx, seen, listed)
	if err != nil {
		return nil, err
	}
	leases := make([]*etcdserverpb.LeaseStatus, len(listed.GetIds()))
	for i, id := range listed.GetIds() {
		leases[i] = &etcdserverpb.LeaseStatus{ID: id}
	}
	return &etcdserverpb.LeaseLeasesResponse{Header: header, Leases: leases}, nil
}
