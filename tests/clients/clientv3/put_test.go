package clientv3

import (
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Goal: each write takes one revision and a read none. Method: revisions on a server of the test's own, which begins at 1.
func TestRevisionsCountWrites(t *testing.T) {
	k, _ := own(t)
	require.EqualValues(t, 1, k.get("a").Header.Revision)
	require.EqualValues(t, 2, k.put("a", "1"))
	require.EqualValues(t, 3, k.put("a", "1"))
	require.EqualValues(t, 3, k.get("a").Header.Revision)
	require.EqualValues(t, 4, k.delete("a"))
	require.EqualValues(t, 4, k.delete("a"), "a delete of nothing writes nothing")
	header := k.get("a").Header
	require.NotZero(t, header.ClusterId)
	require.NotZero(t, header.MemberId)
	require.NotZero(t, header.RaftTerm)
}

// Goal: put returns what it replaced if asked. Method: the first put has nothing to return, the second the first.
func TestPutPrevKV(t *testing.T) {
	k := open(t)
	resp, err := k.Put(k.ctx, k.key("a"), "1", clientv3.WithPrevKV())
	require.NoError(t, err)
	require.Nil(t, resp.PrevKv)
	resp, err = k.Put(k.ctx, k.key("a"), "2", clientv3.WithPrevKV())
	require.NoError(t, err)
	require.Equal(t, "1", string(resp.PrevKv.Value))
	require.EqualValues(t, 1, resp.PrevKv.Version)
	resp, err = k.Put(k.ctx, k.key("a"), "3")
	require.NoError(t, err)
	require.Nil(t, resp.PrevKv)
}

// Goal: a put can keep the value or the lease. Method: change each of the two alone; a missing key refuses.
func TestPutIgnoreValueAndLease(t *testing.T) {
	k := open(t)
	one, err := k.Grant(k.ctx, 600)
	require.NoError(t, err)
	two, err := k.Grant(k.ctx, 600)
	require.NoError(t, err)
	k.put("a", "first", clientv3.WithLease(one.ID))

	k.put("a", "", clientv3.WithIgnoreValue(), clientv3.WithLease(two.ID))
	kv := k.get("a").Kvs[0]
	require.Equal(t, "first", string(kv.Value))
	require.EqualValues(t, two.ID, kv.Lease)
	require.EqualValues(t, 2, kv.Version)

	k.put("a", "second", clientv3.WithIgnoreLease())
	kv = k.get("a").Kvs[0]
	require.Equal(t, "second", string(kv.Value))
	require.EqualValues(t, two.ID, kv.Lease)

	k.put("a", "third")
	require.Zero(t, k.get("a").Kvs[0].Lease, "a put without a lease detaches")

	_, err = k.Put(k.ctx, k.key("none"), "", clientv3.WithIgnoreValue())
	require.Equal(t, rpctypes.ErrKeyNotFound, err)
	_, err = k.Put(k.ctx, k.key("none"), "v", clientv3.WithIgnoreLease())
	require.Equal(t, rpctypes.ErrKeyNotFound, err)
}

// Goal: delete counts, and returns what it deleted if asked. Method: one key, a range, nothing.
func TestDelete(t *testing.T) {
	k := open(t)
	for _, name := range []string{"a", "b", "c"} {
		k.put(name, "value of "+name)
	}
	resp, err := k.Delete(k.ctx, k.key("a"), clientv3.WithPrevKV())
	require.NoError(t, err)
	require.EqualValues(t, 1, resp.Deleted)
	require.Equal(t, "value of a", string(resp.PrevKvs[0].Value))
	before := k.get("b").Kvs[0].ModRevision
	resp, err = k.Delete(k.ctx, k.key(""), clientv3.WithPrefix(), clientv3.WithPrevKV())
	require.NoError(t, err)
	require.EqualValues(t, 2, resp.Deleted)
	require.Equal(t, []string{"b", "c"}, k.names(resp.PrevKvs))
	require.Equal(t, before, resp.PrevKvs[0].ModRevision)
	resp, err = k.Delete(k.ctx, k.key(""), clientv3.WithPrefix())
	require.NoError(t, err)
	require.Zero(t, resp.Deleted)
	require.Empty(t, k.get("", clientv3.WithPrefix()).Kvs)
}

// Goal: a delete of everything deletes everything. Method: from the zero byte on, on a server of the test's own.
func TestDeleteAll(t *testing.T) {
	k, _ := own(t)
	for _, name := range []string{"\x00", "a", "\xff\xff"} {
		k.put(name, "v")
	}
	resp, err := pb.NewKVClient(k.ActiveConnection()).DeleteRange(k.ctx, &pb.DeleteRangeRequest{Key: []byte{0}, RangeEnd: []byte{0}})
	require.NoError(t, err)
	require.EqualValues(t, 3, resp.Deleted)
	// All in one revision.
	require.EqualValues(t, 5, resp.Header.Revision)
}
