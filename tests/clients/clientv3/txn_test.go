package clientv3

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Goal: every target compares with every result, of a key that is and one that is not. Method: a table against one key whose
// version, revisions, value and lease are known.
func TestTxnCompares(t *testing.T) {
	k := open(t)
	lease, err := k.Grant(k.ctx, 600)
	require.NoError(t, err)
	create := k.put("a", "m", clientv3.WithLease(lease.ID))
	mod := k.put("a", "m", clientv3.WithLease(lease.ID))
	a, none := k.key("a"), k.key("none")

	type target struct {
		cmp                  clientv3.Cmp
		less, equal, greater any
	}
	targets := map[string]target{
		"version": {clientv3.Version(a), 1, 2, 3},
		"create":  {clientv3.CreateRevision(a), create - 1, create, create + 1},
		"mod":     {clientv3.ModRevision(a), mod - 1, mod, mod + 1},
		"value":   {clientv3.Value(a), "l", "m", "ma"},
		"lease":   {clientv3.LeaseValue(a), lease.ID - 1, lease.ID, lease.ID + 1},
		// A missing key has zero everywhere.
		"missing version": {clientv3.Version(none), -1, 0, 1},
		"missing create":  {clientv3.CreateRevision(none), -1, 0, 1},
		"missing mod":     {clientv3.ModRevision(none), -1, 0, 1},
		"missing lease":   {clientv3.LeaseValue(none), -1, 0, 1},
	}
	holds := func(c clientv3.Cmp, relation string, value any) bool {
		resp, err := k.Txn(k.ctx).If(clientv3.Compare(c, relation, value)).Commit()
		require.NoError(t, err)
		return resp.Succeeded
	}
	for name, c := range targets {
		for relation, want := range map[string][3]bool{
			"=": {false, true, false}, "!=": {true, false, true}, ">": {true, false, false}, "<": {false, false, true},
		} {
			for i, value := range []any{c.less, c.equal, c.greater} {
				require.Equal(t, want[i], holds(c.cmp, relation, value), "%s %s %v", name, relation, value)
			}
		}
	}
	// The value of a missing key compares with nothing.
	for _, relation := range []string{"=", "!=", "<", ">"} {
		require.False(t, holds(clientv3.Value(none), relation, ""), relation)
	}
}

// Goal: a compare over a range holds for all its keys. Method: one key of three breaks it; an empty range is the missing key.
func TestTxnCompareRange(t *testing.T) {
	k := open(t)
	k.put("a", "1")
	k.put("b", "1")
	k.put("c", "2")
	holds := func(c clientv3.Cmp) bool {
		resp, err := k.Txn(k.ctx).If(c).Commit()
		require.NoError(t, err)
		return resp.Succeeded
	}
	require.True(t, holds(clientv3.Compare(clientv3.Value(k.key("a")).WithRange(k.key("c")), "=", "1")))
	require.False(t, holds(clientv3.Compare(clientv3.Value(k.key("a")).WithRange(k.key("d")), "=", "1")))
	require.True(t, holds(clientv3.Compare(clientv3.Version(k.key("")).WithPrefix(), "=", 1)))
	require.False(t, holds(clientv3.Compare(clientv3.Version(k.key("")).WithPrefix(), ">", 1)))
	require.True(t, holds(clientv3.Compare(clientv3.CreateRevision(k.key("x")).WithPrefix(), "=", 0)))
	require.False(t, holds(clientv3.Compare(clientv3.CreateRevision(k.key("x")).WithPrefix(), ">", 0)))
	require.False(t, holds(clientv3.Compare(clientv3.Value(k.key("x")).WithPrefix(), "=", "")))
}

// Goal: all compares must hold, none is true, and the right branch runs. Method: both branches write; look at what is there.
func TestTxnBranches(t *testing.T) {
	k := open(t)
	txn := func(cs ...clientv3.Cmp) *clientv3.TxnResponse {
		resp, err := k.Txn(k.ctx).If(cs...).
			Then(clientv3.OpPut(k.key("then"), "v"), clientv3.OpGet(k.key("then"))).
			Else(clientv3.OpPut(k.key("else"), "v")).Commit()
		require.NoError(t, err)
		return resp
	}
	yes := clientv3.Compare(clientv3.Version(k.key("x")), "=", 0)
	no := clientv3.Compare(clientv3.Version(k.key("x")), ">", 0)
	resp := txn(yes, no)
	require.False(t, resp.Succeeded)
	require.Len(t, resp.Responses, 1)
	require.Equal(t, []string{"else"}, k.names(k.get("", clientv3.WithPrefix()).Kvs))
	require.True(t, txn(yes, yes).Succeeded)
	resp = txn()
	require.True(t, resp.Succeeded)
	// A read within the transaction sees the writes before it, at the transaction's revision.
	get := resp.Responses[1].GetResponseRange()
	require.Len(t, get.Kvs, 1)
	require.Equal(t, resp.Header.Revision, get.Kvs[0].ModRevision)
	require.Equal(t, []string{"else", "then"}, k.names(k.get("", clientv3.WithPrefix()).Kvs))
}

// Goal: all writes of a transaction share one revision, and a transaction that writes nothing takes none. Method: compare
// revisions on a server of the test's own.
func TestTxnIsOneRevision(t *testing.T) {
	k, _ := own(t)
	resp, err := k.Txn(k.ctx).Then(
		clientv3.OpPut("a", "1"), clientv3.OpPut("b", "1"), clientv3.OpPut("c", "1"), clientv3.OpDelete("z"), clientv3.OpGet("a"),
	).Commit()
	require.NoError(t, err)
	require.EqualValues(t, 2, resp.Header.Revision)
	for _, kv := range k.get("", clientv3.WithPrefix()).Kvs {
		require.EqualValues(t, 2, kv.ModRevision)
	}
	resp, err = k.Txn(k.ctx).Then(clientv3.OpGet("a"), clientv3.OpDelete("z")).Commit()
	require.NoError(t, err)
	require.EqualValues(t, 2, resp.Header.Revision)
	require.Zero(t, resp.Responses[1].GetResponseDeleteRange().Deleted)
	// A key may be deleted twice in one transaction, and read before and after.
	resp, err = k.Txn(k.ctx).Then(
		clientv3.OpGet("", clientv3.WithPrefix(), clientv3.WithCountOnly()), clientv3.OpDelete("a", clientv3.WithPrevKV()),
		clientv3.OpDelete("a"), clientv3.OpGet("", clientv3.WithPrefix(), clientv3.WithCountOnly()),
		clientv3.OpGet("a", clientv3.WithRev(2)),
	).Commit()
	require.NoError(t, err)
	require.EqualValues(t, 3, resp.Header.Revision)
	require.EqualValues(t, 3, resp.Responses[0].GetResponseRange().Count)
	require.Equal(t, "1", string(resp.Responses[1].GetResponseDeleteRange().PrevKvs[0].Value))
	require.Zero(t, resp.Responses[2].GetResponseDeleteRange().Deleted)
	require.EqualValues(t, 2, resp.Responses[3].GetResponseRange().Count)
	require.Len(t, resp.Responses[4].GetResponseRange().Kvs, 1, "the past is still there")
}

// Goal: transactions nest, and every compare sees the state before the whole. Method: an inner compare on what the outer one writes.
func TestTxnNested(t *testing.T) {
	k := open(t)
	a, b := k.key("a"), k.key("b")
	resp, err := k.Txn(k.ctx).Then(
		clientv3.OpPut(a, "outer"),
		clientv3.OpTxn(
			[]clientv3.Cmp{clientv3.Compare(clientv3.Version(a), "=", 0)},
			[]clientv3.Op{clientv3.OpPut(b, "inner"), clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpGet(a)}, nil)},
			[]clientv3.Op{clientv3.OpPut(b, "wrong")},
		),
	).Commit()
	require.NoError(t, err)
	inner := resp.Responses[1].GetResponseTxn()
	require.True(t, inner.Succeeded)
	innermost := inner.Responses[1].GetResponseTxn()
	require.Equal(t, "outer", string(innermost.Responses[0].GetResponseRange().Kvs[0].Value))
	kvs := k.get("", clientv3.WithPrefix()).Kvs
	require.Equal(t, []string{"a", "b"}, k.names(kvs))
	require.Equal(t, "inner", string(kvs[1].Value))
	require.Equal(t, kvs[0].ModRevision, kvs[1].ModRevision)
}

// Goal: a transaction writes all or nothing. Method: its last operation is refused as it runs; nothing of the first is there.
func TestTxnIsAtomic(t *testing.T) {
	k := open(t)
	before := k.put("before", "v")
	for name, c := range map[string]struct {
		op  clientv3.Op
		err error
	}{
		"lease":        {clientv3.OpPut(k.key("b"), "v", clientv3.WithLease(12345)), rpctypes.ErrLeaseNotFound},
		"ignore value": {clientv3.OpPut(k.key("b"), "", clientv3.WithIgnoreValue()), rpctypes.ErrKeyNotFound},
		"ignore lease": {clientv3.OpPut(k.key("b"), "v", clientv3.WithIgnoreLease()), rpctypes.ErrKeyNotFound},
		"future":       {clientv3.OpGet(k.key("b"), clientv3.WithRev(before+1_000_000)), rpctypes.ErrFutureRev},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := k.Txn(k.ctx).Then(clientv3.OpPut(k.key("a"), "v"), c.op).Commit()
			require.Equal(t, c.err, err)
			require.Empty(t, k.get("a").Kvs)
		})
	}
}

// Goal: no key may be put twice, nor put and deleted, in one run of a transaction. Method: a table of what may stand beside what.
func TestTxnDuplicateKeys(t *testing.T) {
	k := open(t)
	put := func(name string) clientv3.Op { return clientv3.OpPut(k.key(name), "v") }
	del := func(name string) clientv3.Op { return clientv3.OpDelete(k.key(name)) }
	within := func(then, otherwise []clientv3.Op) clientv3.Op { return clientv3.OpTxn(nil, then, otherwise) }
	ops := func(ops ...clientv3.Op) []clientv3.Op { return ops }
	for name, c := range map[string]struct {
		ops []clientv3.Op
		ok  bool
	}{
		"two keys":                   {ops(put("a"), put("b")), true},
		"put twice":                  {ops(put("a"), put("a")), false},
		"put, delete":                {ops(put("a"), del("a")), false},
		"delete, put":                {ops(del("a"), put("a")), false},
		"delete twice":               {ops(del("a"), del("a")), true},
		"put in a deleted range":     {ops(put("ab"), clientv3.OpDelete(k.key("a"), clientv3.WithRange(k.key("b")))), false},
		"put at a deleted range end": {ops(put("b"), clientv3.OpDelete(k.key("a"), clientv3.WithRange(k.key("b")))), true},
		"put in a deleted prefix":    {ops(put("ab"), clientv3.OpDelete(k.key("a"), clientv3.WithPrefix())), false},
		"put and get":                {ops(put("a"), clientv3.OpGet(k.key("a"))), true},
		"nested put":                 {ops(put("a"), within(ops(put("a")), nil)), false},
		"nested put in else":         {ops(put("a"), within(nil, ops(put("a")))), false},
		"nested put of another":      {ops(put("a"), within(ops(put("b")), ops(put("c")))), true},
		"both branches":              {ops(within(ops(put("a")), ops(put("a")))), true},
		"two nested":                 {ops(within(ops(put("a")), nil), within(ops(put("a")), nil)), false},
		"two nested, else":           {ops(within(ops(put("a")), nil), within(nil, ops(put("a")))), false},
		"nested delete":              {ops(put("a"), within(ops(del("a")), nil)), false},
		"deleted, nested put":        {ops(del("a"), within(ops(put("a")), nil)), false},
		"deep":                       {ops(put("a"), within(nil, ops(within(ops(put("a")), nil)))), false},
	} {
		t.Run(name, func(t *testing.T) {
			for branch, txn := range map[string]clientv3.Txn{"then": k.Txn(k.ctx).Then(c.ops...), "else": k.Txn(k.ctx).Else(c.ops...)} {
				_, err := txn.Commit()
				if c.ok {
					require.NoError(t, err, branch)
				} else {
					require.Equal(t, rpctypes.ErrDuplicateKey, err, branch)
				}
			}
		})
	}
}

// Goal: a transaction holds at most 128 operations, the nested ones counted with their parents. Method: at and above the limit.
func TestTxnOpLimit(t *testing.T) {
	k := open(t)
	gets := func(n int) (ops []clientv3.Op) {
		for i := range n {
			ops = append(ops, clientv3.OpGet(k.key(fmt.Sprint(i))))
		}
		return ops
	}
	compares := func(n int) (cs []clientv3.Cmp) {
		for i := range n {
			cs = append(cs, clientv3.Compare(clientv3.Version(k.key(fmt.Sprint(i))), "=", 0))
		}
		return cs
	}
	_, err := k.Txn(k.ctx).If(compares(128)...).Then(gets(128)...).Else(gets(128)...).Commit()
	require.NoError(t, err)
	for name, txn := range map[string]clientv3.Txn{
		"compares": k.Txn(k.ctx).If(compares(129)...),
		"then":     k.Txn(k.ctx).Then(gets(129)...),
		"else":     k.Txn(k.ctx).Else(gets(129)...),
		"nested":   k.Txn(k.ctx).Then(append(gets(99), clientv3.OpTxn(nil, gets(29), nil))...),
	} {
		_, err := txn.Commit()
		require.Equal(t, rpctypes.ErrTooManyOps, err, name)
	}
	_, err = k.Txn(k.ctx).Then(append(gets(99), clientv3.OpTxn(nil, gets(28), nil))...).Commit()
	require.NoError(t, err)
}

// Goal: a transaction of reads is consistent and can be serializable. Method: two keys that are always written together never differ.
func TestTxnReadsOneState(t *testing.T) {
	k := open(t)
	done := make(chan error, 1)
	go func() {
		for i := range 200 {
			_, err := k.Txn(k.ctx).Then(clientv3.OpPut(k.key("a"), fmt.Sprint(i)), clientv3.OpPut(k.key("b"), fmt.Sprint(i))).Commit()
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for running := true; running; {
		select {
		case err := <-done:
			require.NoError(t, err)
			running = false
		default:
		}
		for _, opts := range [][]clientv3.OpOption{nil, {clientv3.WithSerializable()}} {
			resp, err := k.Txn(k.ctx).Then(clientv3.OpGet(k.key("a"), opts...), clientv3.OpGet(k.key("b"), opts...)).Commit()
			require.NoError(t, err)
			a, b := resp.Responses[0].GetResponseRange(), resp.Responses[1].GetResponseRange()
			require.Equal(t, len(a.Kvs), len(b.Kvs))
			if len(a.Kvs) > 0 {
				require.Equal(t, string(a.Kvs[0].Value), string(b.Kvs[0].Value))
			}
		}
	}
}
