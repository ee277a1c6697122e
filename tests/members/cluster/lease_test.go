package cluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/tests/harness"
)

// leaseTTL is longer than an election takes on a busy machine, because the client library gives a lease up by itself
// that it could not renew for so long. Seconds.
const leaseTTL = 6

// Goal: a leader that is frozen for longer than its leases live, and wakes up with all of them overdue, revokes none
// that was kept alive elsewhere; the keep-alives of clients go on through the change of leader, as with etcd. Method:
// SIGSTOP, and clientv3's keep-alives at a follower, until the frozen one must take every lease for expired. In the end
// nobody keeps them alive, and they go.
func TestFrozenLeaderRevokesNoLiveLease(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	members := startCluster(t, 3)
	frozen, asked := leaderAndFollower(t, ctx, members)
	client := harness.Client(t, asked)

	const leases = 20
	keeping, letGo := context.WithCancel(ctx)
	defer letGo()
	var ids []clientv3.LeaseID
	var kept []<-chan *clientv3.LeaseKeepAliveResponse
	for range leases {
		granted, err := client.Grant(ctx, leaseTTL)
		require.NoError(t, err)
		_, err = client.Put(ctx, fmt.Sprintf("lease/%x", granted.ID), "", clientv3.WithLease(granted.ID))
		require.NoError(t, err)
		responses, err := client.KeepAlive(keeping, granted.ID)
		require.NoError(t, err)
		ids, kept = append(ids, granted.ID), append(kept, responses)
	}
	gone := client.Watch(ctx, "lease/", clientv3.WithPrefix(), clientv3.WithFilterPut())

	require.NoError(t, frozen.Pause())
	begin := time.Now()
	for time.Since(begin) < (leaseTTL+1)*time.Second {
		renewAll(t, kept)
	}
	require.NoError(t, frozen.Resume())
	woken := harness.Client(t, frozen)
	_, err := woken.Get(ctx, "through") // answered once it follows: before, it drops what is proposed to it as a leader
	require.NoError(t, err)
	_, err = woken.Put(ctx, "through", "the member that was frozen")
	require.NoError(t, err)
	renewAll(t, kept)
	for _, id := range ids {
		left, err := woken.TimeToLive(ctx, id, clientv3.WithAttachedKeys())
		require.NoError(t, err)
		require.Positive(t, left.TTL, "lease %x", id)
		require.Len(t, left.Keys, 1)
	}
	select {
	case response := <-gone:
		require.Empty(t, response.Events, "leases that were kept alive are gone")
	default:
	}

	letGo()
	for left := leases; left > 0; {
		response := <-gone
		require.NoError(t, response.Err())
		left -= len(response.Events)
	}
}

// renewAll takes the next renewal of each lease.
func renewAll(t *testing.T, kept []<-chan *clientv3.LeaseKeepAliveResponse) {
	t.Helper()
	for _, responses := range kept {
		response, open := <-responses
		require.True(t, open, "the client has given up a lease")
		require.Equal(t, int64(leaseTTL), response.TTL)
	}
}

// leaderAndFollower returns the member that leads and one that does not.
func leaderAndFollower(t *testing.T, ctx context.Context, members harness.Cluster) (leader, follower *harness.Server) {
	t.Helper()
	for _, member := range members {
		client := harness.Client(t, member)
		status, err := client.Status(ctx, member.Endpoint())
		require.NoError(t, err)
		if status.Leader == status.Header.MemberId {
			leader = member
		} else {
			follower = member
		}
	}
	require.NotNil(t, leader)
	return leader, follower
}

// Goal: a request for a lease at a follower whose leader is frozen ends within etcd's time, in an answer or in one of its errors, and
// a stream of keep-alives goes on with the next leader. Method: raw calls, because the client library would repeat them.
func TestLeaseRequestsOutliveTheirLeader(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	members := startCluster(t, 3)
	leader, asked := leaderAndFollower(t, ctx, members)
	client := harness.Client(t, asked)
	granted, err := client.Grant(ctx, 60)
	require.NoError(t, err)
	raw := etcdserverpb.NewLeaseClient(client.ActiveConnection())
	stream, err := raw.LeaseKeepAlive(ctx)
	require.NoError(t, err)
	renew := func() {
		t.Helper()
		require.NoError(t, stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: int64(granted.ID)}))
		answer, err := stream.Recv()
		require.NoError(t, err, "the stream is to outlive the leader")
		require.Equal(t, int64(60), answer.TTL)
	}
	renew()

	require.NoError(t, leader.Pause())
	ended := make(chan error)
	go func() {
		_, err := raw.LeaseGrant(ctx, &etcdserverpb.LeaseGrantRequest{TTL: 60})
		ended <- err
	}()
	renew()
	if err := <-ended; err != nil {
		require.Contains(t, []string{
			"etcdserver: leader changed", "etcdserver: no leader", "etcdserver: request timed out",
			"etcdserver: request timed out, possibly due to previous leader failure",
			"etcdserver: request timed out, possibly due to connection lost",
		}, status.Convert(err).Message())
	}
	_, err = raw.LeaseTimeToLive(ctx, &etcdserverpb.LeaseTimeToLiveRequest{ID: int64(granted.ID)})
	require.NoError(t, err)

	leader.Kill()
	require.NoError(t, leader.Start(ctx))
	renew()
}

// Goal: a follower grants and ends leases with ids below zero as the leader does. Method: one, by way of a follower.
func TestNegativeLeaseIDAtAFollower(t *testing.T) {
	ctx := harness.Context(t)
	_, follower := leaderAndFollower(t, ctx, startCluster(t, 3))
	client := harness.Client(t, follower)
	const id = -1
	_, err := etcdserverpb.NewLeaseClient(client.ActiveConnection()).LeaseGrant(ctx, &etcdserverpb.LeaseGrantRequest{ID: id, TTL: 100})
	require.NoError(t, err)
	_, err = client.Put(ctx, "a", "v", clientv3.WithLease(id))
	require.NoError(t, err)
	_, err = client.KeepAliveOnce(ctx, id)
	require.NoError(t, err)
	_, err = client.Revoke(ctx, id)
	require.NoError(t, err)
	got, err := client.Get(ctx, "a")
	require.NoError(t, err)
	require.Empty(t, got.Kvs)
}
