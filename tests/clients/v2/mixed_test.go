package v2

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

func compact(t *testing.T, s *harness.Server, revision int64) {
	t.Helper()
	_, err := harness.Client(t, s).Compact(harness.Context(t), revision, clientv3.WithCompactPhysical())
	require.NoError(t, err)
}

// Goal: both APIs see one data set. Method: write through one, read through the other.
func TestOneDataSet(t *testing.T) {
	s := open(t)
	v3, ctx := harness.Client(t, shared), harness.Context(t)
	set := s.put("a/k", "value=from v2")
	got, err := v3.Get(ctx, s.key("a/k"))
	require.NoError(t, err)
	require.Len(t, got.Kvs, 1)
	require.Equal(t, "from v2", string(got.Kvs[0].Value))
	require.Equal(t, set.Node.Modified, got.Kvs[0].ModRevision)
	require.Equal(t, set.Node.Created, got.Kvs[0].CreateRevision)

	put, err := v3.Put(ctx, s.key("b/c/k"), "from v3")
	require.NoError(t, err)
	a := s.get("b/c/k", "")
	require.Equal(t, "from v3", a.Node.value())
	require.Equal(t, put.Header.Revision, a.Node.Modified)
	listed := s.get("b", "recursive=true")
	require.True(t, listed.Node.Dir, "directories are where keys are below")
	require.Equal(t, s.key("b/c"), listed.Node.Nodes[0].Key)
	require.Equal(t, "from v3", listed.Node.Nodes[0].Nodes[0].value())

	_, err = v3.Delete(ctx, s.key("b/c/k"))
	require.NoError(t, err)
	require.Equal(t, 404, s.get("b", "").status)
	s.delete("a/k", "")
	got, err = v3.Get(ctx, s.key("a/"), clientv3.WithPrefix())
	require.NoError(t, err)
	require.Empty(t, got.Kvs, "what v2 keeps beside the keys does not show")
}

// Goal: what v2 keeps beside the keys shows in no v3 range, count or watch. Method: directories and TTLs, then everything of
// a server through v3.
func TestV3SeesKeysOnly(t *testing.T) {
	s, server := own(t)
	v3, ctx := harness.Client(t, server), harness.Context(t)
	watched := v3.Watch(ctx, "", clientv3.WithPrefix(), clientv3.WithRev(1))
	s.put("d", "dir=true&ttl=100")
	s.put("d/k", "value=1&ttl=100")
	s.put("e/f", "dir=true")
	s.delete("e", "recursive=true")
	marker, err := v3.Put(ctx, "marker", "")
	require.NoError(t, err)
	require.Equal(t, int64(6), marker.Header.Revision, "each write has an index")
	var keys []string
	for len(keys) < 2 {
		for _, e := range (<-watched).Events {
			require.Zero(t, e.Kv.Lease)
			keys = append(keys, string(e.Kv.Key))
		}
	}
	require.Equal(t, []string{"/d/k", "marker"}, keys)
	all, err := v3.Get(ctx, "", clientv3.WithPrefix(), clientv3.WithCountOnly())
	require.NoError(t, err)
	require.Equal(t, int64(2), all.Count)
	leases, err := v3.Leases(ctx)
	require.NoError(t, err)
	require.Empty(t, leases.Leases)
}

// Goal: watchers of both APIs see each other's writes. Method: a v2 stream and a v3 watch over writes of both.
func TestWatchersSeeEachOther(t *testing.T) {
	s := open(t)
	v3, ctx := harness.Client(t, shared), harness.Context(t)
	w := s.wait("", "recursive=true&stream=true")
	ctx3, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := v3.Watch(ctx3, s.key(""), clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
	<-watched

	put, err := v3.Put(ctx, s.key("k"), "1")
	require.NoError(t, err)
	e := w.next()
	require.Equal(t, "set", e.Action)
	require.Equal(t, &node{Key: s.key("k"), Value: new("1"), Modified: put.Header.Revision, Created: put.Header.Revision}, e.Node)
	require.Nil(t, e.Prev)

	again, err := v3.Put(ctx, s.key("k"), "2")
	require.NoError(t, err)
	e = w.next()
	require.Equal(t, "set", e.Action)
	require.Equal(t, again.Header.Revision, e.Node.Modified)
	require.Equal(t, put.Header.Revision, e.Node.Created)
	require.Equal(t, "1", e.Prev.value())

	gone, err := v3.Delete(ctx, s.key("k"))
	require.NoError(t, err)
	e = w.next()
	require.Equal(t, "delete", e.Action)
	require.Nil(t, e.Node.Value)
	require.Equal(t, gone.Header.Revision, e.Node.Modified)
	require.Equal(t, "2", e.Prev.value())

	lease, err := v3.Grant(ctx, 8) // attached within that, on a machine that stands still for a moment too
	require.NoError(t, err)
	_, err = v3.Put(ctx, s.key("leased"), "3", clientv3.WithLease(lease.ID))
	require.NoError(t, err)
	require.Equal(t, "set", w.next().Action)
	e = w.next()
	require.Equal(t, "expire", e.Action)
	require.Equal(t, s.key("leased"), e.Node.Key)

	made := s.put("v2", "value=4")
	var events []*clientv3.Event
	for len(events) < 6 {
		events = append(events, (<-watched).Events...)
	}
	require.Equal(t, s.key("v2"), string(events[5].Kv.Key))
	require.Equal(t, made.Node.Modified, events[5].Kv.ModRevision)
	require.True(t, events[5].IsCreate())
}

// Goal: a file stays a file, whatever v3 puts below or above it. Method: puts around a file and a directory.
func TestFilesAndDirectoriesUnderForeignPuts(t *testing.T) {
	s := open(t)
	v3, ctx := harness.Client(t, shared), harness.Context(t)
	put := func(name string) {
		t.Helper()
		_, err := v3.Put(ctx, s.key(name), "v3")
		require.NoError(t, err)
	}
	s.put("file", "value=1")
	put("file/below")
	require.Equal(t, "1", s.get("file", "").Node.value())
	require.Equal(t, 104, s.get("file/below", "").ErrorCode)
	require.Len(t, s.get("", "recursive=true").Node.Nodes, 1)
	s.delete("file", "")
	require.Equal(t, "v3", s.get("file/below", "").Node.value(), "it comes to light when the file is gone")

	s.put("dir/x", "value=1")
	put("dir")
	require.Equal(t, "v3", s.get("dir", "").Node.value())
	require.Equal(t, 104, s.put("dir/y", "value=1").ErrorCode)
	require.Equal(t, "delete", s.delete("dir", "").Action)
	require.Equal(t, "1", s.get("dir/x", "").Node.value())

	for _, odd := range []string{"/odd", "odd//x", "odd/./x", "odd/../x", "odd/"} {
		put(odd)
	}
	require.Equal(t, 404, s.get("odd", "").status, "keys that are no paths are in no tree")
}

// Goal: several keys that v3 changes at once are one event to a wait that can be told of only one, and each its own to a
// stream. Method: a transaction of two puts, and a delete of both.
func TestWaitForATransaction(t *testing.T) {
	s := open(t)
	v3, ctx := harness.Client(t, shared), harness.Context(t)
	w, stream := s.wait("", "recursive=true"), s.wait("", "recursive=true&stream=true")
	one := s.wait("b", "")
	done, err := v3.Txn(ctx).Then(clientv3.OpPut(s.key("a"), "1"), clientv3.OpPut(s.key("b"), "2")).Commit()
	require.NoError(t, err)
	e := w.last()
	require.Equal(t, "set", e.Action)
	require.Equal(t, s.dir+"/", e.Node.Key+"/")
	require.Equal(t, done.Header.Revision, e.Node.Modified)
	require.Len(t, e.Node.Nodes, 2)
	require.Equal(t, "2", e.Node.Nodes[1].value())
	require.Equal(t, s.key("a"), stream.next().Node.Key)
	require.Equal(t, s.key("b"), stream.next().Node.Key)
	require.Equal(t, s.key("b"), one.last().Node.Key)

	w = s.wait("", "recursive=true")
	_, err = v3.Delete(ctx, s.key(""), clientv3.WithPrefix())
	require.NoError(t, err)
	e = w.last()
	require.Equal(t, "delete", e.Action)
	require.Equal(t, "2", e.Prev.Nodes[1].value())
}

// Goal: a v3 write ends the TTL that v2 gave, as a set without one does. Method: put over a file with a short TTL, and wait
// past it with another.
func TestForeignPutEndsTheTTL(t *testing.T) {
	s := open(t)
	v3, ctx := harness.Client(t, shared), harness.Context(t)
	s.put("k", "value=1&ttl=1")
	_, err := v3.Put(ctx, s.key("k"), "2")
	require.NoError(t, err)
	require.Nil(t, s.get("k", "").Node.Expiration)
	marker := s.put("marker", "value=1&ttl=1")
	w := s.wait("", "recursive=true&stream=true&"+after(marker.Node.Modified))
	expires(t, w, marker)
	require.Equal(t, "2", s.get("k", "").Node.value())
}
