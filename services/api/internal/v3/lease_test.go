package v3_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/services/api/internal/v3"
)

func leaseServer(t *testing.T, lease *fakeLease) *v3.LeaseServer {
	return newServices(t, &fakeConsensus{}, func(c *v3.Config) { c.Lease = lease }).Lease
}

// TestLeaseGrant grants a lease, whose header has the revision of the grant and not a later one, and has one refused for each
// reason that there is.
func TestLeaseGrant(t *testing.T) {
	var refusal error
	server := leaseServer(t, &fakeLease{grant: func(ctx context.Context, r *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
		_, bounded := ctx.Deadline()
		require.True(t, bounded)
		equal(t, &leasev1.GrantRequest{Id: 7, Ttl: 60}, r)
		return &leasev1.GrantResponse{Id: 7, Ttl: 61, Revision: revision - 1, RaftTerm: raftTerm}, refusal
	}})
	request := &etcdserverpb.LeaseGrantRequest{ID: 7, TTL: 60}
	got, err := server.LeaseGrant(t.Context(), request)
	require.NoError(t, err)
	equal(t, &etcdserverpb.LeaseGrantResponse{Header: header(revision - 1), ID: 7, TTL: 61}, got)

	for problem, want := range map[error]error{
		errdefs.ErrLeaseExists:      rpctypes.ErrGRPCLeaseExist,
		errdefs.ErrLeaseTTLTooLarge: rpctypes.ErrGRPCLeaseTTLTooLarge,
		errdefs.ErrNoSpace:          rpctypes.ErrGRPCNoSpace,
		context.DeadlineExceeded:    rpctypes.ErrGRPCTimeout,
	} {
		refusal = fmt.Errorf("grant: %w", problem)
		_, err := server.LeaseGrant(t.Context(), request)
		require.Equal(t, want, err)
	}
}

// TestLeaseRevoke checks that the header has the revision of the revocation, whether the store is behind it or further, and
// the refusal of a lease that is not there.
func TestLeaseRevoke(t *testing.T) {
	var refusal error
	at := int64(revision + 1)
	server := leaseServer(t, &fakeLease{revoke: func(r *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
		require.Equal(t, int64(7), r.GetId())
		return &leasev1.RevokeResponse{Revision: at, RaftTerm: raftTerm}, refusal
	}})
	for _, at = range []int64{revision + 1, revision - 1} {
		got, err := server.LeaseRevoke(t.Context(), &etcdserverpb.LeaseRevokeRequest{ID: 7})
		require.NoError(t, err)
		equal(t, &etcdserverpb.LeaseRevokeResponse{Header: header(at)}, got)
	}

	refusal = fmt.Errorf("revoke: %w", errdefs.ErrLeaseNotFound)
	_, err := server.LeaseRevoke(t.Context(), &etcdserverpb.LeaseRevokeRequest{ID: 7})
	require.Equal(t, rpctypes.ErrGRPCLeaseNotFound, err)
}

// TestLeaseKeepAlive sends keep-alives for a lease that lives and one that does not, and one that cannot be answered.
func TestLeaseKeepAlive(t *testing.T) {
	conn := dial(t, newServices(t, &fakeConsensus{}, func(c *v3.Config) {
		c.Lease = &fakeLease{keepAlive: func(r *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
			switch r.GetIds()[0] {
			case 7:
				return &leasev1.KeepAliveResponse{Ttls: []int64{60}}, nil
			case 8:
				return &leasev1.KeepAliveResponse{Ttls: []int64{0}}, nil
			case 9:
				return nil, fmt.Errorf("keep alive: %w", errdefs.ErrLeaseNotFound)
			}
			return nil, fmt.Errorf("keep alive: %w", errdefs.ErrNoLeader)
		}}
	}))
	stream, err := etcdserverpb.NewLeaseClient(conn).LeaseKeepAlive(t.Context())
	require.NoError(t, err)
	for id, ttl := range map[int64]int64{7: 60, 8: 0, 9: 0} {
		require.NoError(t, stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: id}))
		got, err := stream.Recv()
		require.NoError(t, err)
		equal(t, &etcdserverpb.LeaseKeepAliveResponse{Header: header(revision), ID: id, TTL: ttl}, got)
	}
	require.NoError(t, stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: 10}))
	_, err = stream.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, "etcdserver: no leader", status.Convert(err).Message())
}

// Goal: keep-alives that come while one is answered, and are made together, are all answered, in their order. Method: one that is held up, ninety-nine
// behind it, and their end.
func TestKeepAlivesOfAStreamAreAnsweredInTheirOrder(t *testing.T) {
	calls, release := make(chan []int64, 200), make(chan struct{})
	conn := dial(t, newServices(t, &fakeConsensus{}, func(c *v3.Config) {
		c.Lease = &fakeLease{keepAlive: func(r *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
			calls <- r.GetIds()
			<-release
			return &leasev1.KeepAliveResponse{Ttls: r.GetIds()}, nil
		}}
	}))
	stream, err := etcdserverpb.NewLeaseClient(conn).LeaseKeepAlive(t.Context())
	require.NoError(t, err)
	send := func(id int64) {
		require.NoError(t, stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: id}))
	}
	send(1)
	require.Equal(t, []int64{1}, <-calls)
	for id := int64(2); id <= 100; id++ {
		send(id)
	}
	require.NoError(t, stream.CloseSend())
	close(release)
	for id := int64(1); id <= 100; id++ {
		got, err := stream.Recv()
		require.NoError(t, err)
		equal(t, &etcdserverpb.LeaseKeepAliveResponse{Header: header(revision), ID: id, TTL: id}, got)
	}
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
}

// TestLeaseHeaders checks that headers have the newest revision and term of what the lease service answers and what this node
// had shown before it asked, never what it learns meanwhile, and that the store is asked once for all of them.
func TestLeaseHeaders(t *testing.T) {
	asked := 0
	var now, answered int64
	consensus := &fakeConsensus{
		position: func(context.Context) (*consensusv1.PositionResponse, error) {
			asked++
			return &consensusv1.PositionResponse{ClusterId: clusterID, MemberId: memberID, RaftTerm: raftTerm, Revision: revision}, nil
		},
		propose: func(context.Context, *consensusv1.Command) (*consensusv1.Result, error) {
			return &consensusv1.Result{Revision: now, RaftTerm: raftTerm, Result: &consensusv1.Result_Put{Put: &consensusv1.PutResult{}}}, nil
		},
	}
	var services *v3.Services
	meanwhile := func() {
		if _, err := services.KV.Put(t.Context(), &etcdserverpb.PutRequest{Key: []byte("k")}); err != nil {
			t.Error(err)
		}
	}
	services = newServices(t, consensus, func(c *v3.Config) {
		c.Lease = &fakeLease{
			keepAlive: func(*leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
				meanwhile()
				return &leasev1.KeepAliveResponse{Ttls: []int64{5}, Revision: answered, RaftTerm: raftTerm}, nil
			},
			timeToLive: func(*leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
				meanwhile()
				return &leasev1.TimeToLiveResponse{Ttl: 5, Revision: answered, RaftTerm: raftTerm}, nil
			},
			list: func() (*leasev1.ListResponse, error) {
				meanwhile()
				return &leasev1.ListResponse{Revision: answered, RaftTerm: raftTerm}, nil
			},
		}
	})
	stream, err := etcdserverpb.NewLeaseClient(dial(t, services)).LeaseKeepAlive(t.Context())
	require.NoError(t, err)
	for _, call := range []func() *etcdserverpb.ResponseHeader{
		func() *etcdserverpb.ResponseHeader {
			require.NoError(t, stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: 7}))
			got, err := stream.Recv()
			require.NoError(t, err)
			return got.GetHeader()
		},
		func() *etcdserverpb.ResponseHeader {
			got, err := services.Lease.LeaseTimeToLive(t.Context(), &etcdserverpb.LeaseTimeToLiveRequest{ID: 7})
			require.NoError(t, err)
			return got.GetHeader()
		},
		func() *etcdserverpb.ResponseHeader {
			got, err := services.Lease.LeaseLeases(t.Context(), &etcdserverpb.LeaseLeasesRequest{})
			require.NoError(t, err)
			return got.GetHeader()
		},
	} {
		before := max(now, revision)
		now = before + 10
		answered = before - 1 // what the lease service knows is older than what was shown
		equal(t, header(before), call())
		before, now = now, now+10
		answered = before + 1
		equal(t, header(answered), call())
	}
	require.Equal(t, 1, asked)
}

// TestLeaseTimeToLive asks for a lease with its keys and for one that does not exist, told either way.
func TestLeaseTimeToLive(t *testing.T) {
	fake := &fakeLease{timeToLive: func(r *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
		equal(t, &leasev1.TimeToLiveRequest{Id: 7, Keys: true}, r)
		return &leasev1.TimeToLiveResponse{Ttl: 30, GrantedTtl: 60, Keys: [][]byte{[]byte("k")}}, nil
	}}
	server := leaseServer(t, fake)
	request := &etcdserverpb.LeaseTimeToLiveRequest{ID: 7, Keys: true}
	got, err := server.LeaseTimeToLive(t.Context(), request)
	require.NoError(t, err)
	equal(t, &etcdserverpb.LeaseTimeToLiveResponse{
		Header: header(revision), ID: 7, TTL: 30, GrantedTTL: 60, Keys: [][]byte{[]byte("k")},
	}, got)

	missing := &etcdserverpb.LeaseTimeToLiveResponse{Header: header(revision), ID: 7, TTL: -1}
	fake.timeToLive = func(*leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
		return &leasev1.TimeToLiveResponse{Ttl: -1}, nil
	}
	got, err = server.LeaseTimeToLive(t.Context(), request)
	require.NoError(t, err)
	equal(t, missing, got)
	fake.timeToLive = func(*leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
		return nil, fmt.Errorf("time to live: %w", errdefs.ErrLeaseNotFound)
	}
	got, err = server.LeaseTimeToLive(t.Context(), request)
	require.NoError(t, err)
	equal(t, missing, got)
}

// TestLeaseLeases lists leases.
func TestLeaseLeases(t *testing.T) {
	server := leaseServer(t, &fakeLease{list: func() (*leasev1.ListResponse, error) {
		return &leasev1.ListResponse{Ids: []int64{3, 1}}, nil
	}})
	got, err := server.LeaseLeases(t.Context(), &etcdserverpb.LeaseLeasesRequest{})
	require.NoError(t, err)
	equal(t, &etcdserverpb.LeaseLeasesResponse{Header: header(revision), Leases: []*etcdserverpb.LeaseStatus{{ID: 3}, {ID: 1}}}, got)
}
