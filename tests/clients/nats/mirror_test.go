package nats

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: a copy that is kept by NATS, as docs/nats.md describes, comes to be what the store has, though its server is
// killed while it is written to and what happens meanwhile reaches no subscriber. Method: Mirror, puts, overwrites, deletes
// and a value that NATS does not carry, a crash in between.
func TestMirror(t *testing.T) {
	nats := fmt.Sprintf("127.0.0.1:%d", harness.FreePort())
	server := harness.Run(t, "--nats-listen="+nats)
	store, err := clientv3.New(clientv3.Config{Endpoints: []string{server.Endpoint()}, DialTimeout: 10 * time.Second})
	require.NoError(t, err)
	defer store.Close()

	states := make(chan map[string]Value, 1024)
	mirror := &Mirror{Store: store, Prefix: "/config/"}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- mirror.Follow(ctx, "nats://"+nats, "quorate.kv.config.>", func() { states <- maps.Clone(mirror.Values) })
	}()
	settle := func() {
		t.Helper()
		want := values(t, store)
		for deadline := time.After(30 * time.Second); ; {
			select {
			case got := <-states:
				if maps.Equal(want, got) {
					return
				}
			case <-deadline:
				require.Equal(t, want, mirror.Values, "the copy does not come to be what the store has")
			}
		}
	}
	settle()
	write(t, store, 0)
	settle()
	server.Kill()
	require.NoError(t, server.Start(t.Context()))
	write(t, store, 1) // before the subscriber is back, for the most part
	settle()
	write(t, store, 2)
	settle()
	cancel()
	require.NoError(t, <-ended)
}

// write changes keys below /config/ and elsewhere.
func write(t *testing.T, store *clientv3.Client, round int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for n := range 50 {
		key := fmt.Sprintf("/config/k %d.%d", n%7, n%2)
		_, err := store.Put(ctx, key, fmt.Sprintf("%d-%d", round, n))
		require.NoError(t, err)
		if n%5 == 0 {
			_, err = store.Delete(ctx, key)
			require.NoError(t, err)
		}
		_, err = store.Put(ctx, "/elsewhere", "x")
		require.NoError(t, err)
	}
	_, err := store.Put(ctx, "/config/large", fmt.Sprintf("%01048576d", round))
	require.NoError(t, err)
}

// values is what the store has below /config/.
func values(t *testing.T, store *clientv3.Client) map[string]Value {
	t.Helper()
	resp, err := store.Get(t.Context(), "/config/", clientv3.WithPrefix())
	require.NoError(t, err)
	found := make(map[string]Value)
	for _, kv := range resp.Kvs {
		found[string(kv.Key)] = Value{string(kv.Value), kv.ModRevision}
	}
	return found
}
