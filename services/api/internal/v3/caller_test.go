package v3_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	v3 "github.com/quoratedb/quorate/services/api/internal/v3"
)

// Goal: for whom a request is made goes along with whatever it asks of the store and of leases. Method: make each request that reads or
// writes for a caller, and compare what arrives behind the ports.
func TestCallerGoesAlong(t *testing.T) {
	alice := &consensusv1.Caller{Token: "t"}
	var got []*consensusv1.Caller
	store := &fakeConsensus{
		proposes: func(r *consensusv1.ProposeRequest) { got = append(got, r.GetCaller()) },
		propose: func(context.Context, *consensusv1.Command) (*consensusv1.Result, error) {
			return nil, errdefs.ErrPermissionDenied
		},
		rangeKeys: func(_ context.Context, r *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
			got = append(got, r.GetCaller())
			return nil, errdefs.ErrPermissionDenied
		},
		readTxn: func(_ context.Context, r *consensusv1.ReadTxnRequest) (*consensusv1.ReadTxnResponse, error) {
			got = append(got, r.GetCaller())
			return nil, errdefs.ErrPermissionDenied
		},
	}
	lease := &fakeLease{
		grant: func(_ context.Context, r *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
			got = append(got, r.GetCaller())
			return nil, errdefs.ErrPermissionDenied
		},
		revoke: func(r *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
			got = append(got, r.GetCaller())
			return nil, errdefs.ErrPermissionDenied
		},
	}
	s := newServices(t, store, func(c *v3.Config) { c.Lease = lease })
	ctx := auth.With(t.Context(), &auth.Identity{Caller: alice})
	key := []byte("k")
	write := &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: &etcdserverpb.PutRequest{Key: key}}}
	for name, ask := range map[string]func() error{
		"range":  func() error { _, err := s.KV.Range(ctx, &etcdserverpb.RangeRequest{Key: key}); return err },
		"put":    func() error { _, err := s.KV.Put(ctx, &etcdserverpb.PutRequest{Key: key}); return err },
		"delete": func() error { _, err := s.KV.DeleteRange(ctx, &etcdserverpb.DeleteRangeRequest{Key: key}); return err },
		"txn": func() error {
			_, err := s.KV.Txn(ctx, &etcdserverpb.TxnRequest{Success: []*etcdserverpb.RequestOp{write}})
			return err
		},
		"read txn": func() error { _, err := s.KV.Txn(ctx, &etcdserverpb.TxnRequest{}); return err },
		"compact":  func() error { _, err := s.KV.Compact(ctx, &etcdserverpb.CompactionRequest{}); return err },
		"alarm": func() error {
			_, err := s.Maintenance.Alarm(ctx, &etcdserverpb.AlarmRequest{Action: etcdserverpb.AlarmRequest_ACTIVATE, Alarm: etcdserverpb.AlarmType_NOSPACE})
			return err
		},
		"grant":  func() error { _, err := s.Lease.LeaseGrant(ctx, &etcdserverpb.LeaseGrantRequest{TTL: 1}); return err },
		"revoke": func() error { _, err := s.Lease.LeaseRevoke(ctx, &etcdserverpb.LeaseRevokeRequest{ID: 1}); return err },
	} {
		got = nil
		require.ErrorContains(t, ask(), "etcdserver: permission denied", name)
		require.Len(t, got, 1, name)
		require.Same(t, alice, got[0], name)
	}
}

// Goal: who may not read a lease's keys learns nothing of them, also where the right goes or a key comes while the lease is read; who may
// not write them does not keep the lease alive. Method: an authorizer that refuses, after the lease was read in the first two cases.
func TestKeysOfLeasesAreGuarded(t *testing.T) {
	read := false
	var asked []*consensusv1.AuthorizeRequest
	lease := &fakeLease{
		timeToLive: func(*leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
			read = true
			return &leasev1.TimeToLiveResponse{Ttl: 5, Keys: [][]byte{[]byte("secret")}}, nil
		},
		list: func() (*leasev1.ListResponse, error) { read = true; return &leasev1.ListResponse{Ids: []int64{1}}, nil },
	}
	users := &fakeAuth{authorize: func(r *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
		asked = append(asked, r)
		return nil, errdefs.ErrPermissionDenied
	}}
	s := newServices(t, &fakeConsensus{}, func(c *v3.Config) { c.Lease, c.Auth = lease, users })
	alice := &consensusv1.Caller{Name: "alice"}
	ctx := auth.With(t.Context(), &auth.Identity{Caller: alice})

	_, err := s.Lease.LeaseTimeToLive(ctx, &etcdserverpb.LeaseTimeToLiveRequest{ID: 1, Keys: true})
	require.ErrorContains(t, err, "etcdserver: permission denied")
	require.True(t, read)
	equal(t, &consensusv1.AuthorizeRequest{Caller: alice, Lease: 1, LeaseAccess: consensusv1.Permission_TYPE_READ}, asked[0])
	_, err = s.Lease.LeaseTimeToLive(ctx, &etcdserverpb.LeaseTimeToLiveRequest{ID: 1})
	require.NoError(t, err)

	_, err = s.Lease.LeaseLeases(ctx, &etcdserverpb.LeaseLeasesRequest{})
	require.ErrorContains(t, err, "etcdserver: permission denied")
	equal(t, &consensusv1.AuthorizeRequest{Caller: alice, AllLeases: true}, asked[1])

	stream := &keepAlives{ctx: ctx, id: 1}
	require.ErrorContains(t, s.Lease.LeaseKeepAlive(stream), "etcdserver: permission denied")
	equal(t, &consensusv1.AuthorizeRequest{Caller: alice, Lease: 1, LeaseAccess: consensusv1.Permission_TYPE_WRITE}, asked[2])
}

// keepAlives asks for one lease without end.
type keepAlives struct {
	grpc.BidiStreamingServer[etcdserverpb.LeaseKeepAliveRequest, etcdserverpb.LeaseKeepAliveResponse]
	ctx context.Context
	id  int64
}

func (k *keepAlives) Context() context.Context { return k.ctx }

func (k *keepAlives) Recv() (*etcdserverpb.LeaseKeepAliveRequest, error) {
	return &etcdserverpb.LeaseKeepAliveRequest{ID: k.id}, nil
}
