package forward

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// leases answers keep-alives after a while, with the time that it is told.
type leases struct {
	etcdserverpb.LeaseClient
	asked atomic.Int64
	ttl   int64
	lost  atomic.Int64 // so many requests are lost first
}

func (l *leases) LeaseKeepAlive(ctx context.Context, _ ...grpc.CallOption) (grpc.BidiStreamingClient[etcdserverpb.LeaseKeepAliveRequest, etcdserverpb.LeaseKeepAliveResponse], error) {
	return &keepAlive{leases: l, ctx: ctx}, nil
}

type keepAlive struct {
	grpc.ClientStream
	leases *leases
	ctx    context.Context
	id     int64
}

func (k *keepAlive) Send(r *etcdserverpb.LeaseKeepAliveRequest) error {
	k.id = r.GetID()
	return nil
}

func (k *keepAlive) Recv() (*etcdserverpb.LeaseKeepAliveResponse, error) {
	k.leases.asked.Add(1)
	<-time.After(100 * time.Millisecond)
	if k.leases.lost.Add(-1) >= 0 {
		return nil, status.Error(codes.Unavailable, "error reading from server: EOF")
	}
	return &etcdserverpb.LeaseKeepAliveResponse{ID: k.id, TTL: k.leases.ttl}, nil
}

// Goal: keep-alives of one lease by equal callers are one request while it is under way and a while after, and say what is left; a stream's own next one,
// another caller's and one after a revocation are new. Method: a lease of a minute, in a bubble's time.
func TestKeepAlivesAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := &leases{ttl: 60}
		r := newRenewals(cluster, 7*time.Second)
		renew := func(stream any, who string) int64 {
			answer, err := r.renew(t.Context(), stream, who, 5)
			require.NoError(t, err)
			require.EqualValues(t, 5, answer.GetID())
			return answer.GetTTL()
		}
		answers := make(chan int64, 10)
		for i := range 10 {
			go func() { answers <- renew(i, "anne") }()
		}
		for range 10 {
			require.EqualValues(t, 60, <-answers)
		}
		require.EqualValues(t, 1, cluster.asked.Load())
		<-time.After(5 * time.Second)
		require.EqualValues(t, 55, renew("another", "anne"))
		require.EqualValues(t, 1, cluster.asked.Load())
		require.EqualValues(t, 60, renew("another", "bob"))
		require.EqualValues(t, 2, cluster.asked.Load())
		<-time.After(6 * time.Second)
		require.EqualValues(t, 60, renew("another", "anne"), "that was long ago")
		require.EqualValues(t, 60, renew("another", "anne"), "a stream that asks again is answered anew")
		require.EqualValues(t, 4, cluster.asked.Load())
		r.forget(5)
		cluster.ttl = 0
		require.EqualValues(t, 0, renew("third", "anne"))
		require.EqualValues(t, 0, renew("fourth", "anne"), "an end is not remembered")
		require.EqualValues(t, 6, cluster.asked.Load())
		cluster.lost.Store(2)
		require.EqualValues(t, 0, renew("fifth", "anne"), "what was lost is sent again")
	})
}
