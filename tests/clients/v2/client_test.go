package v2

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	etcd "go.etcd.io/etcd/client/v2"

	"github.com/quoratedb/quorate/tests/harness"
)

// dial makes etcd's own v2 client.
func dial(t *testing.T, s *harness.Server) etcd.Client {
	t.Helper()
	c, err := etcd.New(etcd.Config{Endpoints: []string{s.URL()}, HeaderTimeoutPerRequest: 10 * time.Second})
	require.NoError(t, err)
	return c
}

// Goal: etcd's v2 client works. Method: each of its calls, with most options.
func TestEtcdClientKeys(t *testing.T) {
	s, server := own(t)
	keys, ctx := etcd.NewKeysAPI(dial(t, server)), harness.Context(t)
	_ = s
	r, err := keys.Set(ctx, "/a", "1", nil)
	require.NoError(t, err)
	require.Equal(t, "set", r.Action)
	require.Equal(t, r.Index, r.Node.ModifiedIndex)
	r, err = keys.Get(ctx, "/a", &etcd.GetOptions{Quorum: true})
	require.NoError(t, err)
	require.Equal(t, "1", r.Node.Value)
	r, err = keys.Update(ctx, "/a", "2")
	require.NoError(t, err)
	require.Equal(t, "update", r.Action)
	asked := time.Now()
	r, err = keys.Set(ctx, "/a", "3", &etcd.SetOptions{PrevValue: "2", PrevIndex: r.Node.ModifiedIndex, TTL: time.Minute})
	require.NoError(t, err)
	require.Equal(t, "compareAndSwap", r.Action)
	require.WithinRange(t, *r.Node.Expiration, asked.Add(time.Minute), time.Now().Add(time.Minute))
	require.GreaterOrEqual(t, float64(r.Node.TTL), time.Until(*r.Node.Expiration).Seconds())
	_, err = keys.Set(ctx, "/a", "", &etcd.SetOptions{Refresh: true, TTL: time.Hour, PrevExist: etcd.PrevExist})
	require.NoError(t, err)
	_, err = keys.Set(ctx, "/a", "4", &etcd.SetOptions{PrevValue: "2"})
	requireCode(t, err, etcd.ErrorCodeTestFailed)
	_, err = keys.Create(ctx, "/a", "4")
	requireCode(t, err, etcd.ErrorCodeNodeExist)
	_, err = keys.Set(ctx, "/d", "", &etcd.SetOptions{Dir: true})
	require.NoError(t, err)
	for range 3 {
		r, err = keys.CreateInOrder(ctx, "/d/q", "x", &etcd.CreateInOrderOptions{TTL: time.Minute})
		require.NoError(t, err)
		require.Equal(t, "create", r.Action)
	}
	r, err = keys.Get(ctx, "/", &etcd.GetOptions{Recursive: true, Sort: true})
	require.NoError(t, err)
	require.Len(t, r.Node.Nodes, 2)
	require.Len(t, r.Node.Nodes[1].Nodes[0].Nodes, 3)
	_, err = keys.Delete(ctx, "/d", &etcd.DeleteOptions{Dir: true})
	requireCode(t, err, etcd.ErrorCodeDirNotEmpty)
	_, err = keys.Delete(ctx, "/d", &etcd.DeleteOptions{Recursive: true})
	require.NoError(t, err)
	_, err = keys.Get(ctx, "/d", nil)
	requireCode(t, err, etcd.ErrorCodeKeyNotFound)
	r, err = keys.Delete(ctx, "/a", &etcd.DeleteOptions{PrevValue: "3"})
	require.NoError(t, err)
	require.Equal(t, "3", r.PrevNode.Value)
}

func requireCode(t *testing.T, err error, code int) {
	t.Helper()
	var refused etcd.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, code, refused.Code, refused)
}

// Goal: the client's watcher follows a directory as confd's etcd backend uses it: read all recursively, sorted and with a
// quorum, then wait for any change behind what was read. Method: changes before and between the waits.
func TestEtcdClientWatcherLikeConfd(t *testing.T) {
	_, server := own(t)
	keys, ctx := etcd.NewKeysAPI(dial(t, server)), harness.Context(t)
	_, err := keys.Set(ctx, "/app/db/url", "one", nil)
	require.NoError(t, err)
	read, err := keys.Get(ctx, "/app", &etcd.GetOptions{Recursive: true, Sort: true, Quorum: true})
	require.NoError(t, err)
	require.Equal(t, "one", read.Node.Nodes[0].Nodes[0].Value)
	seen := read.Index
	for _, value := range []string{"two", "three", "four"} {
		_, err := keys.Set(ctx, "/app/db/url", value, nil)
		require.NoError(t, err)
		_, err = keys.Set(ctx, "/elsewhere", value, nil)
		require.NoError(t, err)
	}
	for _, value := range []string{"two", "three", "four"} {
		r, err := keys.Watcher("/app", &etcd.WatcherOptions{AfterIndex: seen, Recursive: true}).Next(ctx)
		require.NoError(t, err)
		require.Equal(t, value, r.Node.Value)
		seen = r.Node.ModifiedIndex
	}
	w := keys.Watcher("/app", &etcd.WatcherOptions{AfterIndex: seen, Recursive: true})
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err = w.Next(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// Goal: the client finds members and follows the cluster. Method: its members API, sync and version.
func TestEtcdClientMembers(t *testing.T) {
	_, server := own(t)
	c, ctx := dial(t, server), harness.Context(t)
	members := etcd.NewMembersAPI(c)
	list, err := members.List(ctx)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "one", list[0].Name)
	leader, err := members.Leader(ctx)
	require.NoError(t, err)
	require.Equal(t, list[0], *leader)
	require.NoError(t, c.Sync(ctx))
	require.Equal(t, []string{server.URL()}, c.Endpoints())
	_, err = c.GetVersion(ctx)
	require.NoError(t, err)
	require.Error(t, members.Remove(ctx, "1234"))
	require.Error(t, members.Update(ctx, "1234", []string{"http://127.0.0.1:1"}))
}
