package proxy

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: watches resume over restarts of a member and of the proxy, with every event once. Method: puts, numbered, while both go and come; a watch
// from now on and one from the beginning.
func TestWatchesResume(t *testing.T) {
	t.Parallel()
	server := harness.Run(t)
	p := harness.Proxy(t, server.Endpoint())
	ctx := harness.Context(t)
	client := harness.Client(t, p)
	live := client.Watch(ctx, "n/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-live
	past := client.Watch(ctx, "n/", clientv3.WithPrefix(), clientv3.WithRev(1))
	n := 0
	put := func(through *harness.Server) {
		for range 20 {
			n++
			writer := harness.Client(t, through)
			_, err := writer.Put(ctx, "n/"+fmt.Sprint(n), "")
			require.NoError(t, err)
			require.NoError(t, writer.Close())
		}
	}
	restart := func(s *harness.Server) {
		_, err := s.Stop(syscall.SIGTERM)
		require.NoError(t, err)
		require.NoError(t, s.Start(ctx))
	}
	put(p)
	restart(server)
	put(server)
	server.Kill()
	require.NoError(t, server.Start(ctx))
	put(server)
	restart(p)
	put(server)
	p.Kill()
	put(server)
	require.NoError(t, p.Start(ctx))
	put(p)
	for _, watch := range []clientv3.WatchChan{live, past} {
		for want := 1; want <= n; {
			answer, open := <-watch
			require.True(t, open)
			require.NoError(t, answer.Err())
			for _, event := range answer.Events {
				require.Equal(t, "n/"+fmt.Sprint(want), string(event.Kv.Key))
				want++
			}
		}
	}
}

// Goal: users are who their tokens say, equal watches of one user are one at the cluster, and one ends with the right to it. Method: a cluster with
// users; clients with passwords, and without, through the proxy; then the permission is revoked.
func TestUsers(t *testing.T) {
	t.Parallel()
	server := harness.Run(t)
	p := harness.Proxy(t, server.Endpoint())
	ctx := harness.Context(t)
	admin := harness.Client(t, p)
	for _, step := range []func() error{
		func() error { _, err := admin.RoleAdd(ctx, "reader"); return err },
		func() error {
			_, err := admin.RoleGrantPermission(ctx, "reader", "a", "b", clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func() error { _, err := admin.UserAdd(ctx, "anne", "pa"); return err },
		func() error { _, err := admin.UserGrantRole(ctx, "anne", "reader"); return err },
		func() error { _, err := admin.UserAdd(ctx, "root", "pr"); return err },
		func() error { _, err := admin.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := admin.AuthEnable(ctx); return err },
	} {
		require.NoError(t, step())
	}
	login := func(name, password string) *clientv3.Client {
		client, err := harness.DialAs(name, password, nil, p.Endpoint())
		require.NoError(t, err)
		t.Cleanup(func() { client.Close() })
		return client
	}
	root, anne, again := login("root", "pr"), login("anne", "pa"), login("anne", "pa")
	_, err := admin.Get(ctx, "a")
	require.ErrorIs(t, err, rpctypes.ErrUserEmpty)
	_, err = anne.Get(ctx, "c")
	require.ErrorIs(t, err, rpctypes.ErrPermissionDenied)
	refused := <-anne.Watch(ctx, "c")
	require.ErrorContains(t, refused.Err(), "permission denied")
	refused = <-admin.Watch(ctx, "a")
	require.ErrorContains(t, refused.Err(), rpctypes.ErrUserEmpty.Error())

	watches := []clientv3.WatchChan{
		anne.Watch(ctx, "a", clientv3.WithCreatedNotify()), again.Watch(ctx, "a", clientv3.WithCreatedNotify()), root.Watch(ctx, "a", clientv3.WithCreatedNotify()),
	}
	for _, watch := range watches {
		require.True(t, (<-watch).Created)
	}
	require.Equal(t, 2, upstreamWatches(t, p), "anne's two are one, root's is another")
	_, err = anne.Put(ctx, "a", "1")
	require.NoError(t, err)
	for _, watch := range watches {
		require.Len(t, (<-watch).Events, 1)
	}
	_, err = root.UserRevokeRole(ctx, "anne", "reader")
	require.NoError(t, err)
	for _, watch := range watches[:2] {
		_, open := <-watch
		require.False(t, open, "clientv3 closes the channel of a watch that is over")
	}
	_, err = root.Put(ctx, "a", "2")
	require.NoError(t, err)
	require.Len(t, (<-watches[2]).Events, 1)
}

// Goal: many clients that watch one range cost the cluster one watch, and one that does not read holds up nobody. Method: a hundred watches of a hundred
// clients' streams, and as many events.
func TestWatchesAreMerged(t *testing.T) {
	t.Parallel()
	p := harness.Proxy(t, shared.Endpoint())
	ctx := harness.Context(t)
	client := harness.Client(t, p)
	const many = 100
	var watches []clientv3.WatchChan
	for i := range many {
		own := context.WithValue(clientv3.WithRequireLeader(ctx), streamKey{}, i)
		watches = append(watches, client.Watch(own, "merged", clientv3.WithCreatedNotify()))
	}
	for _, watch := range watches {
		require.True(t, (<-watch).Created)
	}
	require.Equal(t, 1, upstreamWatches(t, p))
	for range many {
		_, err := client.Put(ctx, "merged", "")
		require.NoError(t, err)
	}
	for _, watch := range watches {
		for got := 0; got < many; {
			select {
			case answer := <-watch:
				require.NoError(t, answer.Err())
				got += len(answer.Events)
			case <-time.After(20 * time.Second):
				t.Fatal("an event is missing")
			}
		}
	}
}

type streamKey struct{}
