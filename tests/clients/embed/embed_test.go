package embed

import (
	"context"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/quorate"
	"github.com/quoratedb/quorate/tests/harness"
)

// start runs a store on a port that the system chooses, with its data in dir.
func start(t *testing.T, dir string) (*quorate.Server, *clientv3.Client) {
	t.Helper()
	config := quorate.DefaultConfig()
	config.DataDir = dir
	config.ListenClientURLs = []string{"http://127.0.0.1:0"}
	config.ListenPeerURLs = []string{"http://127.0.0.1:0"}
	config.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	server, err := quorate.Start(context.Background(), config)
	require.NoError(t, err)
	client, err := harness.Dial(strings.TrimPrefix(server.ClientURLs()[0], "http://"))
	require.NoError(t, err)
	return server, client
}

// Goal: a test of another program can have as many stores as it likes. Method: two beside each other, with keys, watches and leases of their own.
func TestTwoStores(t *testing.T) {
	for _, value := range []string{"one", "two"} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			server, client := start(t, t.TempDir())
			defer server.Close()
			defer client.Close()
			ctx := harness.Context(t)
			lease, err := client.Grant(ctx, 600)
			require.NoError(t, err)
			events := client.Watch(ctx, "key", clientv3.WithCreatedNotify())
			require.True(t, (<-events).Created)
			_, err = client.Put(ctx, "key", value, clientv3.WithLease(lease.ID))
			require.NoError(t, err)
			require.Equal(t, value, string((<-events).Events[0].Kv.Value))
			resp, err := client.Get(ctx, "", clientv3.WithPrefix())
			require.NoError(t, err)
			require.Len(t, resp.Kvs, 1)
			require.EqualValues(t, 2, resp.Header.Revision)
		})
	}
}

// Goal: a closed store leaves its data and nothing else. Method: start and close on one directory a few times; the keys stay, and the goroutines
// are as few as before.
func TestCloseLeavesNothingRunning(t *testing.T) {
	dir := t.TempDir()
	before := runtime.NumGoroutine()
	for i := range 3 {
		server, client := start(t, dir)
		_, err := client.Put(harness.Context(t), string(rune('a'+i)), "v")
		require.NoError(t, err)
		resp, err := client.Get(harness.Context(t), "", clientv3.WithPrefix())
		require.NoError(t, err)
		require.Len(t, resp.Kvs, i+1)
		require.NoError(t, client.Close())
		require.NoError(t, server.Close())
	}
	// The client's own goroutines end in their own time.
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+2 }, 10*time.Second, 10*time.Millisecond, "goroutines stay behind")
}
