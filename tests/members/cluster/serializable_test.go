package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: a serializable read at a revision that one member has acknowledged is answered by another that may not have applied
// it yet, and one at a revision that nobody has is refused. Method: put through one member and read through the next, many
// times.
func TestSerializableReadAtAnAcknowledgedRevision(t *testing.T) {
	t.Parallel()
	const puts = 300
	members := startCluster(t, 3)
	ctx := harness.Context(t)
	clients := make([]*clientv3.Client, len(members))
	for i, m := range members {
		clients[i] = harness.Client(t, m)
	}
	var newest int64
	for i := range puts {
		put, err := harness.Put(ctx, clients[i%len(clients)], "k", "v")
		require.NoError(t, err)
		newest = put.Header.Revision
		next := clients[(i+1)%len(clients)]
		got, err := next.Get(ctx, "k", clientv3.WithRev(newest), clientv3.WithSerializable())
		require.NoError(t, err, "after %d", i)
		require.Equal(t, newest, got.Kvs[0].ModRevision)
		if i%2 == 0 {
			continue
		}
		in, err := next.Txn(ctx).Then(clientv3.OpGet("k", clientv3.WithRev(newest), clientv3.WithSerializable())).Commit()
		require.NoError(t, err, "after %d", i)
		require.Equal(t, newest, in.Responses[0].GetResponseRange().Kvs[0].ModRevision)
	}
	for _, c := range clients {
		_, err := c.Get(ctx, "k", clientv3.WithRev(newest+1), clientv3.WithSerializable())
		require.ErrorIs(t, err, rpctypes.ErrFutureRev)
	}
}
