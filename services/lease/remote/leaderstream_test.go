package remote

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/pkg/errdefs"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/pkg/rpc/balancer/balancertest"
	"github.com/quoratedb/quorate/services/lease/rpc"
)

// leaderNode is the lease service beside a leader at a URL. It answers a keep-alive with the lease's id, and hangs once told to.
type leaderNode struct {
	*balancertest.Leadership
	url     string
	alone   atomic.Int64 // requests that did not come by the stream
	hanging atomic.Bool
	hung    chan struct{}
}

func (n *leaderNode) Grant(context.Context, *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	return nil, errdefs.ErrLeaseExists
}

func (n *leaderNode) Revoke(context.Context, *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
	return &leasev1.RevokeResponse{Revision: 5}, nil
}

func (n *leaderNode) KeepAlive(ctx context.Context, r *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
	if n.hanging.Load() {
		n.hung <- struct{}{}
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return &leasev1.KeepAliveResponse{Ttls: r.GetIds()}, nil
}

func (n *leaderNode) TimeToLive(context.Context, *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
	return &leasev1.TimeToLiveResponse{Ttl: 7}, nil
}

func (n *leaderNode) List(context.Context, *leasev1.ListRequest) (*leasev1.ListResponse, error) {
	return &leasev1.ListResponse{Ids: []int64{1}}, nil
}

func (n *leaderNode) Standing() (uint64, bool, <-chan struct{}) { return 1, true, nil }
func (n *leaderNode) URL(id uint64) (string, bool)              { return n.url, id == 2 }
func (n *leaderNode) HTTPClient(uint64) *http.Client            { return http.DefaultClient }

func (n *leaderNode) StreamClient(uint64) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: protocols}}
}

// follow serves a leader, member 2, and returns it with what another member's API asks, once there is a stream.
func follow(t *testing.T) (*leaderNode, *LeaderClient) {
	t.Helper()
	node := &leaderNode{Leadership: balancertest.NewLeadership(2), hung: make(chan struct{}, 1)}
	path, handler := rpc.NewHandler(node, nil)
	mux := http.NewServeMux()
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/Batch") {
			node.alone.Add(1)
		}
		handler.ServeHTTP(w, r)
	})
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	node.url = server.URL
	leases := NewLeaderClient(node, node, nil)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = leases.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		server.Close()
	})
	_, err := leases.List(t.Context(), &leasev1.ListRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 1, node.alone.Swap(0), "nobody asked before")
	require.Eventually(t, func() bool { return leases.stream.to(2) != nil }, 30*time.Second, time.Millisecond)
	return node, leases
}

// Goal: a follower's lease requests go by the stream to the leader, each with its own answer or refusal. Method: many at once, and each method.
func TestLeaseRequestsShareStream(t *testing.T) {
	node, leases := follow(t)
	var group errgroup.Group
	for id := range int64(200) {
		group.Go(func() error {
			kept, err := leases.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: []int64{id + 1}})
			if err == nil && kept.GetTtls()[0] != id+1 {
				t.Errorf("lease %d was answered with %v", id+1, kept.GetTtls())
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	_, err := leases.Grant(t.Context(), &leasev1.GrantRequest{Id: 1, Ttl: 10})
	require.ErrorIs(t, err, errdefs.ErrLeaseExists)
	revoked, err := leases.Revoke(t.Context(), &leasev1.RevokeRequest{Id: 1})
	require.NoError(t, err)
	require.EqualValues(t, 5, revoked.GetRevision())
	left, err := leases.TimeToLive(t.Context(), &leasev1.TimeToLiveRequest{Id: 1})
	require.NoError(t, err)
	require.EqualValues(t, 7, left.GetTtl())
	listed, err := leases.List(t.Context(), &leasev1.ListRequest{})
	require.NoError(t, err)
	require.Equal(t, []int64{1}, listed.GetIds())
	require.Zero(t, node.alone.Load())
}

// Goal: a request whose leader is frozen does not wait for it once another leads. Method: a keep-alive that hangs until nobody but
// a member that cannot be reached leads; and the stream is given up.
func TestStreamEndsWithLeadership(t *testing.T) {
	node, leases := follow(t)
	node.hanging.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := leases.KeepAlive(ctx, &leasev1.KeepAliveRequest{Ids: []int64{1}})
		done <- err
	}()
	<-node.hung
	node.Set(3)
	require.Eventually(t, func() bool { return leases.stream.to(2) == nil }, 30*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}
