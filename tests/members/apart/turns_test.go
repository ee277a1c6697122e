package apart

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: who waits for one lock at different API nodes has turns alone, each with a higher token, and everybody has one. Method: many calls at two nodes, whose
// keys come in between each other's, while a key of somebody else is the first; it goes once all have joined.
func TestLockIsOneThroughAllAPINodes(t *testing.T) {
	const many = 200
	s := start(t, harness.Sizes{Consensus: 3, Lease: 1, Watch: 1, API: 2}, false)
	clients := []*clientv3.Client{dial(t, s.Endpoints()[0]), dial(t, s.Endpoints()[1])}
	ctx := harness.Context(t)
	_, err := clients[0].Put(ctx, "l/first", "")
	require.NoError(t, err)
	var (
		waiting sync.WaitGroup
		mu      sync.Mutex
		inside  atomic.Int64
		tokens  []int64
	)
	for i := range many {
		client := clients[i%len(clients)]
		granted, err := client.Grant(ctx, 600)
		require.NoError(t, err)
		waiting.Go(func() {
			held, err := v3lockpb.NewLockClient(client.ActiveConnection()).Lock(ctx, &v3lockpb.LockRequest{Name: []byte("l"), Lease: int64(granted.ID)})
			if err != nil {
				t.Error(err)
				return
			}
			if inside.Add(1) > 1 {
				t.Error("two hold the lock")
			}
			mu.Lock()
			tokens = append(tokens, held.GetHeader().GetRevision())
			mu.Unlock()
			inside.Add(-1)
			if _, err := client.Delete(ctx, string(held.GetKey())); err != nil {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool {
		found, err := clients[0].Get(ctx, "l/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		return err == nil && found.Count == 1+many
	}, stuckAfter, 50*time.Millisecond)
	_, err = clients[1].Delete(ctx, "l/first")
	require.NoError(t, err)
	waiting.Wait()
	require.Len(t, tokens, many)
	require.IsIncreasing(t, tokens)
}
