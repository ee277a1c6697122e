package v3

import (
	"context"
	"errors"
	"io"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/etcderr"
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

// LeaseKeepAlive gives a lease its full time again for each request of the stream. The answer for one that does not
// exist has no time.
func (s *LeaseServer) LeaseKeepAlive(stream grpc.BidiStreamingServer[etcdserverpb.LeaseKeepAliveRequest, etcdserverpb.LeaseKeepAliveResponse]) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return s.failure(stream.Context(), err)
		}
		if err := s.mayRenew(stream.Context(), request.GetID()); err != nil {
			return err
		}
		answer, err := s.keepAlive(stream.Context(), request.GetID())
		if err != nil {
			return err
		}
		if err := stream.Send(answer); err != nil {
			return s.failure(stream.Context(), err)
		}
	}
}

// mayRenew refuses a caller who may not write each key of the lease. One that does not exist has none. The error is ready for the client.
func (s *LeaseServer) mayRenew(ctx context.Context, id int64) error {
	if s.follower.Off() {
		return nil // it is late for a moment at most, and a keep-alive is one trip
	}
	_, err := s.gate.Ask(ctx, &consensusv1.AuthorizeRequest{Lease: id, LeaseAccess: consensusv1.Permission_TYPE_WRITE})
	return etcderr.From(s.logger, err)
}

func (s *LeaseServer) keepAlive(ctx context.Context, id int64) (*etcdserverpb.LeaseKeepAliveResponse, error) {
	seen, err := s.headerSeen(ctx)
	if err != nil {
		return nil, err
	}
	bounded, cancel := s.bound(ctx)
	defer cancel()
	kept, err := s.lease.KeepAlive(bounded, &leasev1.KeepAliveRequest{Ids: []int64{id}})
	if err != nil && !errors.Is(err, errdefs.ErrLeaseNotFound) {
		return nil, s.proposalError(bounded, err)
	}
	header, err := s.leaseHeader(ctx, seen, kept)
	if err != nil {
		return nil, err
	}
	answer := &etcdserverpb.LeaseKeepAliveResponse{Header: header, ID: id}
	if ttls := kept.GetTtls(); len(ttls) == 1 {
		answer.TTL = ttls[0]
	}
	return answer, nil
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
