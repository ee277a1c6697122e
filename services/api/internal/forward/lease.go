package forward

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/upstream"
)

// Lease is etcd's Lease service, with keep-alives gathered. Create it with NewLease.
type Lease struct {
	etcdserverpb.UnsafeLeaseServer
	cluster   Cluster
	namespace Namespace
	renewals  *renewals
}

// NewLease returns the service. One keep-alive may take as long as timeout.
func NewLease(cluster Cluster, namespace Namespace, timeout time.Duration) *Lease {
	return &Lease{cluster: cluster, namespace: namespace, renewals: newRenewals(etcdserverpb.NewLeaseClient(cluster), timeout)}
}

// LeaseGrant creates a lease.
func (s *Lease) LeaseGrant(ctx context.Context, r *etcdserverpb.LeaseGrantRequest) (*etcdserverpb.LeaseGrantResponse, error) {
	return call[etcdserverpb.LeaseGrantResponse](ctx, s.cluster, etcdserverpb.Lease_LeaseGrant_FullMethodName, r)
}

// LeaseRevoke ends a lease and deletes its keys.
func (s *Lease) LeaseRevoke(ctx context.Context, r *etcdserverpb.LeaseRevokeRequest) (*etcdserverpb.LeaseRevokeResponse, error) {
	answer, err := call[etcdserverpb.LeaseRevokeResponse](ctx, s.cluster, etcdserverpb.Lease_LeaseRevoke_FullMethodName, r)
	s.renewals.forget(r.GetID())
	return answer, err
}

// LeaseKeepAlive gives a lease its full time again for each request of the stream.
func (s *Lease) LeaseKeepAlive(stream grpc.BidiStreamingServer[etcdserverpb.LeaseKeepAliveRequest, etcdserverpb.LeaseKeepAliveResponse]) error {
	ctx := stream.Context()
	who := Who(auth.Caller(ctx), "", WantsLeader(ctx))
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer, err := s.renewals.renew(ctx, stream, who, request.GetID())
		if err != nil {
			return upstream.StreamError(err)
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

// LeaseTimeToLive tells how long a lease has, and its keys if asked to: those in the namespace.
func (s *Lease) LeaseTimeToLive(ctx context.Context, r *etcdserverpb.LeaseTimeToLiveRequest) (*etcdserverpb.LeaseTimeToLiveResponse, error) {
	answer, err := call[etcdserverpb.LeaseTimeToLiveResponse](ctx, s.cluster, etcdserverpb.Lease_LeaseTimeToLive_FullMethodName, r)
	if err != nil {
		return nil, err
	}
	if s.namespace != "" {
		answer.Keys = slices.DeleteFunc(answer.GetKeys(), func(key []byte) bool { return !s.namespace.has(key) })
		for i, key := range answer.GetKeys() {
			answer.Keys[i] = s.namespace.Strip(key)
		}
	}
	return answer, nil
}

// LeaseLeases lists all leases.
func (s *Lease) LeaseLeases(ctx context.Context, r *etcdserverpb.LeaseLeasesRequest) (*etcdserverpb.LeaseLeasesResponse, error) {
	return call[etcdserverpb.LeaseLeasesResponse](ctx, s.cluster, etcdserverpb.Lease_LeaseLeases_FullMethodName, r)
}
