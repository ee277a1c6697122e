package clientv3

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
)

// leases is the API without the client around it, which has no way to choose an id.
func (k *keyspace) leases() pb.LeaseClient { return pb.NewLeaseClient(k.ActiveConnection()) }

// Goal: a lease is granted under a new id or the one asked for, once. Method: grant without and with an id, and again.
func TestLeaseGrant(t *testing.T) {
	k := open(t)
	one, err := k.Grant(k.ctx, 600)
	require.NoError(t, err)
	require.Positive(t, one.ID)
	require.EqualValues(t, 600, one.TTL)
	two, err := k.Grant(k.ctx, 600)
	require.NoError(t, err)
	require.NotEqual(t, one.ID, two.ID)

	const id = 0x7171
	resp, err := k.leases().LeaseGrant(k.ctx, &pb.LeaseGrantRequest{ID: id, TTL: 500})
	require.NoError(t, err)
	require.EqualValues(t, id, resp.ID)
	_, err = k.leases().LeaseGrant(k.ctx, &pb.LeaseGrantRequest{ID: id, TTL: 500})
	refused(t, err, codes.FailedPrecondition, "etcdserver: lease already exists")
	_, err = k.leases().LeaseGrant(k.ctx, &pb.LeaseGrantRequest{TTL: 9_000_000_001})
	refused(t, err, codes.OutOfRange, "etcdserver: too large lease TTL")
	_, err = k.leases().LeaseGrant(k.ctx, &pb.LeaseGrantRequest{TTL: 9_000_000_000})
	require.NoError(t, err)
}

// Goal: a lease may have any id but 0, which asks for one. Method: one below zero is granted, attached, kept alive and revoked.
func TestNegativeLeaseID(t *testing.T) {
	k := open(t)
	const id = -0x7272
	resp, err := k.leases().LeaseGrant(k.ctx, &pb.LeaseGrantRequest{ID: id, TTL: 500})
	require.NoError(t, err)
	require.EqualValues(t, id, resp.ID)
	k.put("a", "v", clientv3.WithLease(id))
	kept, err := k.KeepAliveOnce(k.ctx, id)
	require.NoError(t, err)
	require.EqualValues(t, 500, kept.TTL)
	all, err := k.Leases(k.ctx)
	require.NoError(t, err)
	require.Contains(t, all.Leases, clientv3.LeaseStatus{ID: id})
	_, err = k.Revoke(k.ctx, id)
	require.NoError(t, err)
	require.Empty(t, k.get("a").Kvs)
}

// Goal: keys belong to the lease of their last put. Method: attach, move, detach, delete; look at the lease's keys each time.
func TestLeaseKeys(t *testing.T) {
	k := open(t)
	one, err := k.Grant(k.ctx, 600)
	require.NoError(t, err)
	two, err := k.Grant(k.ctx, 600)
	require.NoError(t, err)
	keys := func(id clientv3.LeaseID) []string {
		resp, err := k.TimeToLive(k.ctx, id, clientv3.WithAttachedKeys())
		require.NoError(t, err)
		require.Positive(t, resp.TTL)
		require.EqualValues(t, 600, resp.GrantedTTL)
		names := []string{}
		for _, key := range resp.Keys {
			names = append(names, string(key)[len(k.prefix):])
		}
		return names
	}
	for _, name := range []string{"a", "b", "c"} {
		k.put(name, "v", clientv3.WithLease(one.ID))
	}
	require.ElementsMatch(t, []string{"a", "b", "c"}, keys(one.ID))
	require.EqualValues(t, one.ID, k.get("a").Kvs[0].Lease)
	k.put("a", "v", clientv3.WithLease(two.ID))
	k.put("b", "v")
	k.delete("c")
	require.Empty(t, keys(one.ID))
	require.Equal(t, []string{"a"}, keys(two.ID))
	resp, err := k.TimeToLive(k.ctx, two.ID)
	require.NoError(t, err)
	require.Empty(t, resp.Keys, "not asked for")
	_, err = k.Put(k.ctx, k.key("a"), "v", clientv3.WithLease(987654321))
	require.Equal(t, rpctypes.ErrLeaseNotFound, err)
}

// Goal: a revoked lease takes its keys with it in one revision, and is gone. Method: a watch sees the deletions; then everything that
// names the lease is refused.
func TestLeaseRevoke(t *testing.T) {
	k := open(t)
	lease, err := k.Grant(k.ctx, 600)
	require.NoError(t, err)
	for _, name := range []string{"c", "a", "b"} {
		k.put(name, "v", clientv3.WithLease(lease.ID))
	}
	k.put("stays", "v")
	events := k.watch("", clientv3.WithPrefix())
	_, err = k.Revoke(k.ctx, lease.ID)
	require.NoError(t, err)
	resp := <-events
	require.Len(t, resp.Events, 3)
	for i, name := range []string{"a", "b", "c"} {
		require.Equal(t, k.key(name), string(resp.Events[i].Kv.Key), "deleted in the order of keys")
		require.Equal(t, resp.Events[0].Kv.ModRevision, resp.Events[i].Kv.ModRevision)
	}
	require.Equal(t, []string{"stays"}, k.names(k.get("", clientv3.WithPrefix()).Kvs))

	_, err = k.Revoke(k.ctx, lease.ID)
	require.Equal(t, rpctypes.ErrLeaseNotFound, err)
	_, err = k.KeepAliveOnce(k.ctx, lease.ID)
	require.Equal(t, rpctypes.ErrLeaseNotFound, err)
	_, err = k.Put(k.ctx, k.key("a"), "v", clientv3.WithLease(lease.ID))
	require.Equal(t, rpctypes.ErrLeaseNotFound, err)
	ttl, err := k.TimeToLive(k.ctx, lease.ID)
	require.NoError(t, err)
	require.EqualValues(t, -1, ttl.TTL)
	require.Zero(t, ttl.GrantedTTL)
	require.Equal(t, lease.ID, ttl.ID)
}

// Goal: a lease that nobody keeps alive expires, not before its time, with all its keys in one revision. Method: a watch tells when.
func TestLeaseExpires(t *testing.T) {
	k := open(t)
	ended := k.watch("", clientv3.WithPrefix(), clientv3.WithFilterPut())
	begin := time.Now()
	lease, err := k.Grant(k.ctx, 4)
	require.NoError(t, err)
	put := func(name string) clientv3.Op { return clientv3.OpPut(k.key(name), "v", clientv3.WithLease(lease.ID)) }
	_, err = k.Txn(k.ctx).Then(put("a"), put("b")).Commit()
	require.NoError(t, err)
	resp := <-ended
	require.Len(t, resp.Events, 2)
	require.Equal(t, resp.Events[0].Kv.ModRevision, resp.Events[1].Kv.ModRevision)
	require.GreaterOrEqual(t, time.Since(begin), time.Duration(lease.TTL)*time.Second)
	_, err = k.KeepAliveOnce(k.ctx, lease.ID)
	require.Equal(t, rpctypes.ErrLeaseNotFound, err)
}

// Goal: a lease that is kept alive stays. Method: keep one of two alive, until the other has expired and the first is older than its TTL.
func TestLeaseKeepAlive(t *testing.T) {
	k := open(t)
	kept, err := k.Grant(k.ctx, 9) // longer than a busy machine keeps the client from renewing it
	require.NoError(t, err)
	answers, err := k.KeepAlive(k.ctx, kept.ID)
	require.NoError(t, err)
	first := <-answers
	require.Equal(t, kept.ID, first.ID)
	require.Equal(t, kept.TTL, first.TTL)
	require.NotZero(t, first.Revision)
	go func() {
		for range answers {
		}
	}()
	k.put("kept", "v", clientv3.WithLease(kept.ID))
	ended := k.watch("left", clientv3.WithFilterPut())
	left, err := k.Grant(k.ctx, 9)
	require.NoError(t, err)
	k.put("left", "v", clientv3.WithLease(left.ID))
	require.Len(t, k.take(ended, 1), 1)
	require.Len(t, k.get("kept").Kvs, 1)
	once, err := k.KeepAliveOnce(k.ctx, kept.ID)
	require.NoError(t, err)
	require.Equal(t, kept.TTL, once.TTL)
}

// Goal: one stream keeps many leases alive, and answers 0 for those that are not. Method: the wire.
func TestLeaseKeepAliveOnTheWire(t *testing.T) {
	k := open(t)
	stream, err := k.leases().LeaseKeepAlive(k.ctx)
	require.NoError(t, err)
	for range 20 {
		lease, err := k.Grant(k.ctx, 600)
		require.NoError(t, err)
		require.NoError(t, stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(lease.ID)}))
		resp, err := stream.Recv()
		require.NoError(t, err)
		require.EqualValues(t, lease.ID, resp.ID)
		require.EqualValues(t, 600, resp.TTL)
		require.NoError(t, stream.Send(&pb.LeaseKeepAliveRequest{ID: 424242}))
		resp, err = stream.Recv()
		require.NoError(t, err)
		require.EqualValues(t, 424242, resp.ID)
		require.Zero(t, resp.TTL)
	}
	require.NoError(t, stream.CloseSend())
}

// Goal: all leases can be listed. Method: those granted are, the revoked one is not.
func TestLeaseList(t *testing.T) {
	k := open(t)
	one, err := k.Grant(k.ctx, 600)
	require.NoError(t, err)
	two, err := k.Grant(k.ctx, 600)
	require.NoError(t, err)
	_, err = k.Revoke(k.ctx, two.ID)
	require.NoError(t, err)
	list, err := k.Leases(k.ctx)
	require.NoError(t, err)
	var ids []clientv3.LeaseID
	for _, lease := range list.Leases {
		ids = append(ids, lease.ID)
	}
	require.Contains(t, ids, one.ID)
	require.NotContains(t, ids, two.ID)
}

// Goal: a crash loses no lease and expires none early. Method: kill the server beneath a short and a long lease; the short one has its whole TTL
// again and then goes, the long one stays with its keys.
func TestLeaseSurvivesRestart(t *testing.T) {
	k, s := own(t)
	long, err := k.Grant(k.ctx, 600)
	require.NoError(t, err)
	k.put("long", "v", clientv3.WithLease(long.ID))
	short, err := k.Grant(k.ctx, 6)
	require.NoError(t, err)
	put := k.put("short", "v", clientv3.WithLease(short.ID))
	s.Kill()
	begin := time.Now()
	require.NoError(t, s.Start(k.ctx))
	ended := k.take(k.Watch(k.ctx, "short", clientv3.WithRev(put+1)), 1)
	require.Equal(t, []string{fmt.Sprintf("DELETE short@%d", put+1)}, ended)
	require.GreaterOrEqual(t, time.Since(begin), time.Duration(short.TTL)*time.Second)
	resp, err := k.TimeToLive(k.ctx, long.ID, clientv3.WithAttachedKeys())
	require.NoError(t, err)
	require.EqualValues(t, 600, resp.GrantedTTL)
	require.Equal(t, [][]byte{[]byte("long")}, resp.Keys)
}
