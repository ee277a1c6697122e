package clientv3

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Goal: every kind of range finds exactly its keys. Method: five keys, and the ranges that begin, end or meet at them.
func TestRangeBounds(t *testing.T) {
	k := open(t)
	for _, name := range []string{"a", "b", "b/1", "b/2", "c"} {
		k.put(name, name)
	}
	for name, c := range map[string]struct {
		start string
		opts  []clientv3.OpOption
		want  []string
	}{
		"one key":            {"b", nil, []string{"b"}},
		"a key that is not":  {"bb", nil, []string{}},
		"prefix":             {"b", []clientv3.OpOption{clientv3.WithPrefix()}, []string{"b", "b/1", "b/2"}},
		"all":                {"", []clientv3.OpOption{clientv3.WithPrefix()}, []string{"a", "b", "b/1", "b/2", "c"}},
		"half open":          {"a", []clientv3.OpOption{clientv3.WithRange(k.key("b/2"))}, []string{"a", "b", "b/1"}},
		"between keys":       {"aa", []clientv3.OpOption{clientv3.WithRange(k.key("b/11"))}, []string{"b", "b/1"}},
		"empty":              {"b", []clientv3.OpOption{clientv3.WithRange(k.key("b"))}, []string{}},
		"end before start":   {"c", []clientv3.OpOption{clientv3.WithRange(k.key("a"))}, []string{}},
		"end just after key": {"b", []clientv3.OpOption{clientv3.WithRange(k.key("b\x00"))}, []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := k.Get(k.ctx, k.key(c.start), c.opts...)
			require.NoError(t, err)
			require.Equal(t, c.want, k.names(resp.Kvs))
			require.EqualValues(t, len(c.want), resp.Count)
			require.False(t, resp.More)
		})
	}
}

// Goal: a range to the end of all keys, and of all keys, has no upper bound. Method: keys of 0xff bytes lie beyond every prefix.
func TestRangeToTheEnd(t *testing.T) {
	k, _ := own(t)
	for _, name := range []string{"a", "z", "\xff", "\xff\xff\xff"} {
		k.put(name, "v")
	}
	require.Equal(t, []string{"z", "\xff", "\xff\xff\xff"}, k.names(k.get("b", clientv3.WithFromKey()).Kvs))
	require.Equal(t, []string{"\xff", "\xff\xff\xff"}, k.names(k.get("\xff", clientv3.WithPrefix()).Kvs))
	require.Equal(t, []string{"a", "z", "\xff", "\xff\xff\xff"}, k.names(k.get("\x00", clientv3.WithFromKey()).Kvs))
	resp, err := k.Get(k.ctx, "", clientv3.WithPrefix())
	require.NoError(t, err)
	require.Len(t, resp.Kvs, 4)
}

// Goal: a key carries its history. Method: put twice, delete, put again, look at each revision.
func TestRangeRevisionsAndVersions(t *testing.T) {
	k := open(t)
	first := k.put("x", "1")
	second := k.put("x", "2")
	deleted := k.delete("x")
	again := k.put("x", "3")

	kv := k.get("x", clientv3.WithRev(first)).Kvs[0]
	require.Equal(t, []int64{first, first, 1}, []int64{kv.CreateRevision, kv.ModRevision, kv.Version})
	require.Equal(t, "1", string(kv.Value))
	kv = k.get("x", clientv3.WithRev(second)).Kvs[0]
	require.Equal(t, []int64{first, second, 2}, []int64{kv.CreateRevision, kv.ModRevision, kv.Version})
	require.Equal(t, "2", string(kv.Value))
	require.Empty(t, k.get("x", clientv3.WithRev(deleted)).Kvs)
	require.Empty(t, k.get("x", clientv3.WithRev(first-1)).Kvs)
	resp := k.get("x")
	kv = resp.Kvs[0]
	require.Equal(t, []int64{again, again, 1}, []int64{kv.CreateRevision, kv.ModRevision, kv.Version})
	require.GreaterOrEqual(t, resp.Header.Revision, again)
	// A range at an old revision counts what was there, and tells the newest revision all the same.
	old := k.get("", clientv3.WithPrefix(), clientv3.WithRev(second))
	require.EqualValues(t, 1, old.Count)
	require.GreaterOrEqual(t, old.Header.Revision, again)
}

// Goal: limit, more and count agree. Method: every limit around the number of keys.
func TestRangeLimit(t *testing.T) {
	k := open(t)
	for i := range 5 {
		k.put(fmt.Sprint(i), "v")
	}
	for limit, want := range map[int64]int{0: 5, 1: 1, 4: 4, 5: 5, 6: 5} {
		resp := k.get("", clientv3.WithPrefix(), clientv3.WithLimit(limit))
		require.Len(t, resp.Kvs, want, "limit %d", limit)
		require.EqualValues(t, 5, resp.Count, "limit %d", limit)
		require.Equal(t, want < 5, resp.More, "limit %d", limit)
	}
}

// Goal: a list in pages at one revision sees one state. Method: change the keys between the pages.
func TestRangePagesAtOneRevision(t *testing.T) {
	k := open(t)
	for i := range 10 {
		k.put(fmt.Sprint(i), "old")
	}
	first := k.get("", clientv3.WithPrefix(), clientv3.WithLimit(4))
	at := first.Header.Revision
	k.delete("5")
	k.put("6", "new")
	k.put("61", "new")
	names, more, last := k.names(first.Kvs), first.More, first.Kvs[3].Key
	for more {
		page, err := k.Get(k.ctx, string(last)+"\x00", clientv3.WithRange(k.end("")), clientv3.WithLimit(4), clientv3.WithRev(at))
		require.NoError(t, err)
		require.EqualValues(t, 10-len(names), page.Count)
		for _, kv := range page.Kvs {
			require.Equal(t, "old", string(kv.Value))
		}
		names, more, last = append(names, k.names(page.Kvs)...), page.More, page.Kvs[len(page.Kvs)-1].Key
	}
	require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, names)
}

// Goal: results sort by every target both ways. Method: keys whose five orders all differ.
func TestRangeSort(t *testing.T) {
	k := open(t)
	// In order of creation b c a; of version c(1) a(2) b(3); of modification c a b; of value a(1) b(2) c(3).
	k.put("b", "9")
	k.put("c", "3")
	k.put("a", "0")
	k.put("b", "0")
	k.put("a", "1")
	k.put("b", "2")
	for target, want := range map[clientv3.SortTarget][]string{
		clientv3.SortByKey:            {"a", "b", "c"},
		clientv3.SortByVersion:        {"c", "a", "b"},
		clientv3.SortByCreateRevision: {"b", "c", "a"},
		clientv3.SortByModRevision:    {"c", "a", "b"},
		clientv3.SortByValue:          {"a", "b", "c"},
	} {
		up := k.get("", clientv3.WithPrefix(), clientv3.WithSort(target, clientv3.SortAscend))
		require.Equal(t, want, k.names(up.Kvs), "target %d", target)
		down := k.get("", clientv3.WithPrefix(), clientv3.WithSort(target, clientv3.SortDescend))
		require.Equal(t, []string{want[2], want[1], want[0]}, k.names(down.Kvs), "target %d", target)
		// The limit is taken after sorting.
		top := k.get("", clientv3.WithPrefix(), clientv3.WithSort(target, clientv3.SortDescend), clientv3.WithLimit(1))
		require.Equal(t, want[2:], k.names(top.Kvs), "target %d", target)
		require.True(t, top.More)
		require.EqualValues(t, 3, top.Count)
	}
	// A target without an order sorts upwards.
	none := k.get("", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortNone))
	require.Equal(t, []string{"c", "a", "b"}, k.names(none.Kvs))
	require.Equal(t, []string{"b"}, k.names(k.get("", clientv3.WithFirstCreate()...).Kvs))
	require.Equal(t, []string{"a"}, k.names(k.get("", clientv3.WithLastCreate()...).Kvs))
	require.Equal(t, []string{"c"}, k.names(k.get("", clientv3.WithLastKey()...).Kvs))
	require.Equal(t, []string{"b"}, k.names(k.get("", clientv3.WithLastRev()...).Kvs))
}

// Goal: a range can leave out the values, or everything but the count. Method: compare with the full answer.
func TestRangeKeysOnlyAndCountOnly(t *testing.T) {
	k := open(t)
	k.put("a", "value")
	rev := k.put("b", "value")
	keys := k.get("", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	require.Equal(t, []string{"a", "b"}, k.names(keys.Kvs))
	require.Empty(t, keys.Kvs[1].Value)
	require.Equal(t, rev, keys.Kvs[1].ModRevision)
	require.EqualValues(t, 1, keys.Kvs[1].Version)
	lease, err := k.Grant(k.ctx, 600)
	require.NoError(t, err)
	k.put("c", "value", clientv3.WithLease(lease.ID))
	require.Zero(t, k.get("c", clientv3.WithKeysOnly()).Kvs[0].Lease, "the lease of a key is left out with its value")
	require.EqualValues(t, lease.ID, k.get("c", clientv3.WithKeysOnly(), clientv3.WithSort(clientv3.SortByValue, clientv3.SortAscend)).Kvs[0].Lease)
	k.delete("c")
	for _, opts := range [][]clientv3.OpOption{
		{clientv3.WithCountOnly()},
		{clientv3.WithCountOnly(), clientv3.WithLimit(1)},
		{clientv3.WithCountOnly(), clientv3.WithSort(clientv3.SortByValue, clientv3.SortDescend)},
	} {
		count := k.get("", append(opts, clientv3.WithPrefix())...)
		require.Empty(t, count.Kvs)
		require.EqualValues(t, 2, count.Count)
		require.False(t, count.More)
	}
	require.EqualValues(t, 1, k.get("", clientv3.WithPrefix(), clientv3.WithCountOnly(), clientv3.WithRev(rev-1)).Count)
}

// Goal: a range can ask for keys modified or created within bounds, both included. Method: bounds at each of three keys.
func TestRangeRevisionFilters(t *testing.T) {
	k := open(t)
	a := k.put("a", "v")
	b := k.put("b", "v")
	c := k.put("c", "v")
	a2 := k.put("a", "v")
	for name, f := range map[string]struct {
		opts []clientv3.OpOption
		want []string
	}{
		"min mod":    {[]clientv3.OpOption{clientv3.WithMinModRev(c)}, []string{"a", "c"}},
		"max mod":    {[]clientv3.OpOption{clientv3.WithMaxModRev(c)}, []string{"b", "c"}},
		"mod both":   {[]clientv3.OpOption{clientv3.WithMinModRev(c), clientv3.WithMaxModRev(a2 - 1)}, []string{"c"}},
		"min create": {[]clientv3.OpOption{clientv3.WithMinCreateRev(b)}, []string{"b", "c"}},
		"max create": {[]clientv3.OpOption{clientv3.WithMaxCreateRev(a)}, []string{"a"}},
		"none":       {[]clientv3.OpOption{clientv3.WithMinModRev(a2 + 1)}, []string{}},
	} {
		resp := k.get("", append(f.opts, clientv3.WithPrefix())...)
		require.Equal(t, f.want, k.names(resp.Kvs), name)
		// The filters do not touch the count.
		require.EqualValues(t, 3, resp.Count, name)
	}
	limited := k.get("", clientv3.WithPrefix(), clientv3.WithMinModRev(c), clientv3.WithLimit(1))
	require.Equal(t, []string{"a"}, k.names(limited.Kvs))
	require.True(t, limited.More)
}

// Goal: a serializable read is answered too. Method: read after a write that was acknowledged by the only member.
func TestRangeSerializable(t *testing.T) {
	k := open(t)
	rev := k.put("a", "v")
	resp := k.get("a", clientv3.WithSerializable())
	require.Equal(t, rev, resp.Kvs[0].ModRevision)
}

// Goal: keys and values are bytes. Method: zero bytes, invalid UTF-8 and an empty value come back as they went in.
func TestKeysAndValuesAreBytes(t *testing.T) {
	k := open(t)
	for _, name := range []string{"\x00", "\x00\x00", "\x00\xff", "\xff", "\xc3\x28", "long" + string(make([]byte, 4000))} {
		k.put(name, name)
		resp := k.get(name)
		require.Len(t, resp.Kvs, 1)
		require.Equal(t, name, string(resp.Kvs[0].Value))
	}
	k.put("empty", "")
	require.Empty(t, k.get("empty").Kvs[0].Value)
	require.Equal(t, []string{"\x00", "\x00\x00", "\x00\xff"}, k.names(k.get("\x00", clientv3.WithPrefix()).Kvs))
}
