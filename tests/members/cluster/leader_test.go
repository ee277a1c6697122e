package cluster

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/tests/harness"
)

// startCluster runs n members until the test ends.
func startCluster(t *testing.T, n int) harness.Cluster {
	t.Helper()
	binary, err := harness.Binary()
	require.NoError(t, err)
	members := harness.NewCluster(harness.Config{Binary: binary, DataDir: t.TempDir()}, n)
	t.Cleanup(members.Kill)
	require.NoError(t, members.Start(harness.Context(t)))
	return members
}

// Goal: with the quorum gone, whoever asked for a leader hears that there is none: a new call at once, a stream after a
// while; a watch that did not ask stays open, and a request that waits ends with etcd's time-out instead of hanging.
// Method: two of three members are killed; the third is asked.
func TestNoLeader(t *testing.T) {
	ctx := harness.Context(t)
	members := startCluster(t, 3)
	client := harness.Client(t, members[0])
	_, err := client.Put(ctx, "key", "value")
	require.NoError(t, err)

	plain := client.Watch(ctx, "key")
	wanting := client.Watch(clientv3.WithRequireLeader(ctx), "key")
	_, err = client.Put(ctx, "key", "seen by both")
	require.NoError(t, err)
	for _, watch := range []clientv3.WatchChan{plain, wanting} {
		require.Len(t, (<-watch).Events, 1)
	}

	for _, m := range members[1:] {
		m.Kill()
	}
	response := <-wanting
	require.ErrorIs(t, response.Err(), rpctypes.ErrNoLeader)

	_, err = client.Get(clientv3.WithRequireLeader(ctx), "key", clientv3.WithSerializable())
	require.ErrorIs(t, err, rpctypes.ErrNoLeader)
	local, err := client.Get(ctx, "key", clientv3.WithSerializable())
	require.NoError(t, err)
	require.Equal(t, "seen by both", string(local.Kvs[0].Value))

	// clientv3 would try reads again until its own time is up, so they are called without it.
	conn := client.ActiveConnection()
	var waiting sync.WaitGroup
	for name, call := range map[string]func() error{
		"put": func() error {
			_, err := etcdserverpb.NewKVClient(conn).Put(ctx, &etcdserverpb.PutRequest{Key: []byte("key"), Value: []byte("never")})
			return err
		},
		"get": func() error {
			_, err := etcdserverpb.NewKVClient(conn).Range(ctx, &etcdserverpb.RangeRequest{Key: []byte("key")})
			return err
		},
		"grant": func() error {
			_, err := etcdserverpb.NewLeaseClient(conn).LeaseGrant(ctx, &etcdserverpb.LeaseGrantRequest{TTL: 60})
			return err
		},
	} {
		waiting.Go(func() {
			switch text := status.Convert(call()).Message(); text {
			case "etcdserver: request timed out", "etcdserver: no leader", "etcdserver: leader changed",
				"etcdserver: request timed out, possibly due to previous leader failure",
				"etcdserver: request timed out, possibly due to connection lost":
			default:
				t.Errorf("%s without a quorum ends in %q", name, text)
			}
		})
	}
	waiting.Wait()

	require.NoError(t, members[1].Start(ctx))
	_, err = client.Put(ctx, "key", "after")
	require.NoError(t, err)
	for last := ""; last != "after"; { // the write that was not acknowledged may have come true
		for _, event := range (<-plain).Events {
			last = string(event.Kv.Value)
		}
	}
}

// Goal: a learner serves linearizable reads, writes and watches, which etcd's refuses. Method: one is added to a cluster
// of one and asked alone.
func TestLearnerServes(t *testing.T) {
	if harness.IsPeer() {
		t.Skip("etcd's learners refuse these")
	}
	ctx := harness.Context(t)
	members := startCluster(t, 1)
	first := harness.Client(t, members[0])
	_, err := first.Put(ctx, "key", "before")
	require.NoError(t, err)

	learner, err := members.Join(ctx, first, members[0].Binary(), "learner", true)
	require.NoError(t, err)
	t.Cleanup(learner.Kill)
	client := harness.Client(t, learner)
	got, err := client.Get(ctx, "key")
	require.NoError(t, err)
	require.Equal(t, "before", string(got.Kvs[0].Value))
	watch := client.Watch(ctx, "key")
	_, err = client.Put(ctx, "key", "through the learner")
	require.NoError(t, err)
	require.Equal(t, "through the learner", string((<-watch).Events[0].Kv.Value))
	lease, err := client.Grant(ctx, 60)
	require.NoError(t, err)
	_, err = client.KeepAliveOnce(ctx, lease.ID)
	require.NoError(t, err)
	status, err := client.Status(ctx, learner.Endpoint())
	require.NoError(t, err)
	require.True(t, status.IsLearner)
}
