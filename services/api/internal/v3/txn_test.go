package v3_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/v3"
)

func ops(ops ...*etcdserverpb.RequestOp) []*etcdserverpb.RequestOp { return ops }

func get(key string) *etcdserverpb.RequestOp {
	return &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestRange{RequestRange: &etcdserverpb.RangeRequest{Key: []byte(key)}}}
}

func getLocal(key string) *etcdserverpb.RequestOp {
	op := get(key)
	op.GetRequestRange().Serializable = true
	return op
}

func put(key string) *etcdserverpb.RequestOp {
	return &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: &etcdserverpb.PutRequest{Key: []byte(key)}}}
}

func del(key, end string) *etcdserverpb.RequestOp {
	return &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestDeleteRange{
		RequestDeleteRange: &etcdserverpb.DeleteRangeRequest{Key: []byte(key), RangeEnd: []byte(end)},
	}}
}

func txn(success, failure []*etcdserverpb.RequestOp) *etcdserverpb.RequestOp {
	return &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestTxn{
		RequestTxn: &etcdserverpb.TxnRequest{Success: success, Failure: failure},
	}}
}

func repeat(n int, op func(key string) *etcdserverpb.RequestOp) []*etcdserverpb.RequestOp {
	all := make([]*etcdserverpb.RequestOp, n)
	for i := range all {
		all[i] = op(fmt.Sprintf("k%d", i))
	}
	return all
}

// TestTxnsThatAreRefused walks through everything that makes a transaction invalid by itself.
func TestTxnsThatAreRefused(t *testing.T) {
	badOp := &etcdserverpb.RequestOp{}
	compares := func(n int) []*etcdserverpb.Compare {
		all := make([]*etcdserverpb.Compare, n)
		for i := range all {
			all[i] = &etcdserverpb.Compare{Key: []byte("k")}
		}
		return all
	}
	cases := []struct {
		name string
		txn  *etcdserverpb.TxnRequest
		want error
	}{
		{"too many compares", &etcdserverpb.TxnRequest{Compare: compares(5)}, rpctypes.ErrGRPCTooManyOps},
		{"too many successes", &etcdserverpb.TxnRequest{Success: repeat(5, get)}, rpctypes.ErrGRPCTooManyOps},
		{"too many failures", &etcdserverpb.TxnRequest{Failure: repeat(5, get)}, rpctypes.ErrGRPCTooManyOps},
		{"too many nested", &etcdserverpb.TxnRequest{Compare: compares(3), Success: ops(txn(repeat(2, get), nil))}, rpctypes.ErrGRPCTooManyOps},
		{"nested with nothing left", &etcdserverpb.TxnRequest{Compare: compares(4), Failure: ops(txn(nil, ops(get("k"))))}, rpctypes.ErrGRPCTooManyOps},
		{"compare without key", &etcdserverpb.TxnRequest{Compare: []*etcdserverpb.Compare{{}}}, rpctypes.ErrGRPCEmptyKey},
		{"get without key", &etcdserverpb.TxnRequest{Success: ops(get(""))}, rpctypes.ErrGRPCEmptyKey},
		{"put without key", &etcdserverpb.TxnRequest{Failure: ops(put(""))}, rpctypes.ErrGRPCEmptyKey},
		{"delete without key", &etcdserverpb.TxnRequest{Failure: ops(del("", "z"))}, rpctypes.ErrGRPCEmptyKey},
		{"nested compare without key", &etcdserverpb.TxnRequest{Success: ops(&etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestTxn{
			RequestTxn: &etcdserverpb.TxnRequest{Compare: []*etcdserverpb.Compare{{}}},
		}})}, rpctypes.ErrGRPCEmptyKey},
		{"operation that is none", &etcdserverpb.TxnRequest{Success: ops(badOp)}, rpctypes.ErrGRPCKeyNotFound},
		{"put ignoring its value", &etcdserverpb.TxnRequest{Success: ops(&etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestPut{
			RequestPut: &etcdserverpb.PutRequest{Key: []byte("k"), Value: []byte("v"), IgnoreValue: true},
		}})}, rpctypes.ErrGRPCValueProvided},
		{"range sorted by nothing known", &etcdserverpb.TxnRequest{Success: ops(&etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestRange{
			RequestRange: &etcdserverpb.RangeRequest{Key: []byte("k"), SortTarget: 77},
		}})}, rpctypes.ErrGRPCInvalidSortOption},
		{"key put twice", &etcdserverpb.TxnRequest{Success: ops(put("k"), put("k"))}, rpctypes.ErrGRPCDuplicateKey},
	}
	kv := newServices(t, &fakeConsensus{}, func(c *v3.Config) { c.MaxTxnOps = 4 }).KV
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := kv.Txn(t.Context(), c.txn)
			require.Equal(t, c.want, err)
		})
	}
}

// TestDuplicateKeys walks through which writes may meet in one transaction. The expectations were taken from etcd 3.7.
func TestDuplicateKeys(t *testing.T) {
	cases := []struct {
		name    string
		ops     []*etcdserverpb.RequestOp
		refused bool
	}{
		{"puts of two keys", ops(put("a"), put("b")), false},
		{"a key put twice", ops(put("a"), get("a"), put("a")), true},
		{"a key put and deleted", ops(put("a"), del("a", "")), true},
		{"a key deleted and put", ops(del("a", ""), put("a")), true},
		{"a deleted key's neighbour", ops(del("a", ""), put("a\x00")), false},
		{"a put at the begin of a deletion", ops(del("a", "c"), put("a")), true},
		{"a put inside a deletion", ops(put("b"), del("a", "c")), true},
		{"a put at the end of a deletion", ops(del("a", "c"), put("c")), false},
		{"a put before a deletion", ops(del("b", "c"), put("a")), false},
		{"a put behind two deletions that overlap", ops(del("a", "m"), del("b", "c"), put("d")), true},
		{"a put between deletions", ops(del("c", "d"), del("a", "b"), put("b")), false},
		{"a put inside a deletion without end", ops(del("a", "\x00"), put("b")), false},
		{"a put inside a deletion that ends before it begins", ops(del("c", "a"), put("b")), false},
		{"a key deleted twice", ops(del("a", ""), del("a", "b")), false},
		{"a nested put of the same key", ops(txn(ops(put("a")), nil), put("a")), true},
		{"the same put in both branches", ops(txn(ops(put("a")), ops(put("a")))), false},
		{"the same put in both branches, and outside", ops(txn(ops(put("a")), ops(put("a"))), put("a")), true},
		{"the same put in two nested ones", ops(txn(ops(put("a")), nil), txn(ops(put("a")), nil)), true},
		{"the same put in failures of two nested ones", ops(txn(nil, ops(put("a"))), txn(nil, ops(put("a")))), true},
		{"a nested put in an outer deletion", ops(txn(ops(put("b")), nil), del("a", "c")), true},
		{"a nested put in the failure, in an outer deletion", ops(txn(nil, ops(put("b"))), del("a", "c")), true},
		{"an outer put in a nested deletion", ops(put("b"), txn(nil, ops(del("a", "c")))), true},
		{"a put in one branch, a deletion in the other", ops(txn(ops(put("a")), ops(del("a", "")))), false},
		{"a nested deletion, then a nested put", ops(txn(ops(del("a", "")), nil), txn(ops(put("a")), nil)), true},
		{"a nested put, then a nested deletion", ops(txn(ops(put("a")), nil), txn(ops(del("a", "")), nil)), false},
		{"deletions of two nested ones, and a put in the second", ops(txn(ops(del("x", "z")), nil), txn(ops(del("a", "c")), nil), put("b")), true},
		{"twice in a nested one", ops(txn(ops(put("a"), put("a")), nil)), true},
		{"twice in the failure of a nested one", ops(txn(nil, ops(put("a"), put("a")))), true},
		{"twice, two levels down", ops(txn(ops(txn(ops(put("a")), nil)), nil), put("a")), true},
	}
	kv := newServices(t, &fakeConsensus{propose: func(context.Context, *consensusv1.Command) (*consensusv1.Result, error) {
		return &consensusv1.Result{}, nil
	}}, nil).KV
	for _, c := range cases {
		for _, branch := range []*etcdserverpb.TxnRequest{{Success: c.ops}, {Failure: c.ops}} {
			t.Run(c.name, func(t *testing.T) {
				_, err := kv.Txn(t.Context(), branch)
				if c.refused {
					require.Equal(t, rpctypes.ErrGRPCDuplicateKey, err)
				} else {
					require.NoError(t, err)
				}
			})
		}
	}
	_, err := kv.Txn(t.Context(), &etcdserverpb.TxnRequest{Success: ops(put("a")), Failure: ops(del("a", ""), get("b"))})
	require.NoError(t, err, "the branches of the outer transaction exclude each other")
}

// TestTxnWaysThroughTheStore checks which transactions go round the log, and which of those may be answered locally.
func TestTxnWaysThroughTheStore(t *testing.T) {
	compare := []*etcdserverpb.Compare{{Key: []byte("k")}}
	cases := []struct {
		name string
		txn  *etcdserverpb.TxnRequest
		want string
	}{
		{"a put", &etcdserverpb.TxnRequest{Success: ops(put("k"))}, "proposed"},
		{"a deletion in the failure", &etcdserverpb.TxnRequest{Success: ops(get("k")), Failure: ops(del("k", ""))}, "proposed"},
		{"a nested put", &etcdserverpb.TxnRequest{Success: ops(txn(nil, ops(put("k"))))}, "proposed"},
		{"gets", &etcdserverpb.TxnRequest{Success: ops(getLocal("k"), get("l"))}, "read"},
		{"nested gets", &etcdserverpb.TxnRequest{Success: ops(getLocal("k"), txn(ops(get("k")), nil))}, "read"},
		{"local gets", &etcdserverpb.TxnRequest{Compare: compare, Success: ops(getLocal("k")), Failure: ops(getLocal("l"))}, "read locally"},
		{"nested local gets", &etcdserverpb.TxnRequest{Success: ops(txn(ops(getLocal("k")), nil))}, "read locally"},
		{"nothing", &etcdserverpb.TxnRequest{}, "read locally"},
		{"comparisons alone", &etcdserverpb.TxnRequest{Compare: compare}, "read"},
	}
	var way string
	kv := newServices(t, &fakeConsensus{
		propose: func(context.Context, *consensusv1.Command) (*consensusv1.Result, error) {
			way = "proposed"
			return &consensusv1.Result{}, nil
		},
		readTxn: func(_ context.Context, r *consensusv1.ReadTxnRequest) (*consensusv1.ReadTxnResponse, error) {
			way = "read"
			if r.GetSerializable() {
				way = "read locally"
			}
			return &consensusv1.ReadTxnResponse{}, nil
		},
	}, nil).KV
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := kv.Txn(t.Context(), c.txn)
			require.NoError(t, err)
			require.Equal(t, c.want, way)
		})
	}
}

// TestTxnConverts sends a transaction with every kind of operation and comparison through the service, and answers it
// with every kind of result.
func TestTxnConverts(t *testing.T) {
	k := []byte("k")
	request := &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{
			{Key: k, Result: etcdserverpb.Compare_EQUAL, Target: etcdserverpb.Compare_VERSION, TargetUnion: &etcdserverpb.Compare_Version{Version: 1}},
			{Key: k, Result: etcdserverpb.Compare_GREATER, Target: etcdserverpb.Compare_CREATE, TargetUnion: &etcdserverpb.Compare_CreateRevision{CreateRevision: 2}},
			{Key: k, Result: etcdserverpb.Compare_LESS, Target: etcdserverpb.Compare_MOD, TargetUnion: &etcdserverpb.Compare_ModRevision{ModRevision: 3}},
			{Key: k, Result: etcdserverpb.Compare_NOT_EQUAL, Target: etcdserverpb.Compare_VALUE, TargetUnion: &etcdserverpb.Compare_Value{Value: []byte("v")}},
			{Key: k, RangeEnd: []byte("z"), Target: etcdserverpb.Compare_LEASE, TargetUnion: &etcdserverpb.Compare_Lease{Lease: 4}},
			// The target counts, and the union is of another one.
			{Key: k, Target: etcdserverpb.Compare_MOD, TargetUnion: &etcdserverpb.Compare_Version{Version: 9}},
		},
		Success: ops(get("a"), put("b"), get("a"), del("c", "d"), txn(ops(get("e")), ops(put("f")))),
		Failure: ops(get("g")),
	}
	command := &consensusv1.TxnOp{
		Compare: []*consensusv1.Compare{
			{Key: k, Relation: consensusv1.Compare_RELATION_EQUAL, Target: &consensusv1.Compare_Version{Version: 1}},
			{Key: k, Relation: consensusv1.Compare_RELATION_GREATER, Target: &consensusv1.Compare_CreateRevision{CreateRevision: 2}},
			{Key: k, Relation: consensusv1.Compare_RELATION_LESS, Target: &consensusv1.Compare_ModRevision{ModRevision: 3}},
			{Key: k, Relation: consensusv1.Compare_RELATION_NOT_EQUAL, Target: &consensusv1.Compare_Value{Value: []byte("v")}},
			{Key: k, RangeEnd: []byte("z"), Relation: consensusv1.Compare_RELATION_EQUAL, Target: &consensusv1.Compare_Lease{Lease: 4}},
			{Key: k, Relation: consensusv1.Compare_RELATION_EQUAL, Target: &consensusv1.Compare_ModRevision{}},
		},
		Success: []*consensusv1.Op{
			{Op: &consensusv1.Op_Range{Range: &consensusv1.RangeOp{Key: []byte("a")}}},
			{Op: &consensusv1.Op_Put{Put: &consensusv1.PutOp{Key: []byte("b")}}},
			{Op: &consensusv1.Op_Range{Range: &consensusv1.RangeOp{Key: []byte("a")}}},
			{Op: &consensusv1.Op_DeleteRange{DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte("c"), RangeEnd: []byte("d")}}},
			{Op: &consensusv1.Op_Txn{Txn: &consensusv1.TxnOp{
				Success: []*consensusv1.Op{{Op: &consensusv1.Op_Range{Range: &consensusv1.RangeOp{Key: []byte("e")}}}},
				Failure: []*consensusv1.Op{{Op: &consensusv1.Op_Put{Put: &consensusv1.PutOp{Key: []byte("f")}}}},
			}}},
		},
		Failure: []*consensusv1.Op{{Op: &consensusv1.Op_Range{Range: &consensusv1.RangeOp{Key: []byte("g")}}}},
	}
	result := &consensusv1.TxnResult{Succeeded: true, Results: []*consensusv1.OpResult{
		{Result: &consensusv1.OpResult_Range{Range: &consensusv1.RangeResult{Count: 1, Kvs: []*mvccpb.KeyValue{{Key: []byte("a")}}}}},
		{Result: &consensusv1.OpResult_Put{Put: &consensusv1.PutResult{PrevKv: &mvccpb.KeyValue{Key: []byte("b")}}}},
		{Result: &consensusv1.OpResult_Range{Range: &consensusv1.RangeResult{}}},
		{Result: &consensusv1.OpResult_DeleteRange{DeleteRange: &consensusv1.DeleteRangeResult{Deleted: 2}}},
		{Result: &consensusv1.OpResult_Txn{Txn: &consensusv1.TxnResult{Succeeded: true, Results: []*consensusv1.OpResult{
			{Result: &consensusv1.OpResult_Range{Range: &consensusv1.RangeResult{}}},
		}}}},
	}}
	kv := newServices(t, &fakeConsensus{propose: func(_ context.Context, c *consensusv1.Command) (*consensusv1.Result, error) {
		equal(t, command, c.GetTxn())
		return &consensusv1.Result{Revision: 80, RaftTerm: raftTerm, Result: &consensusv1.Result_Txn{Txn: result}}, nil
	}}, nil).KV
	got, err := kv.Txn(t.Context(), request)
	require.NoError(t, err)

	at := func(revision int64) *etcdserverpb.ResponseHeader {
		return &etcdserverpb.ResponseHeader{Revision: revision}
	}
	read := func(r *etcdserverpb.RangeResponse) *etcdserverpb.ResponseOp {
		return &etcdserverpb.ResponseOp{Response: &etcdserverpb.ResponseOp_ResponseRange{ResponseRange: r}}
	}
	equal(t, &etcdserverpb.TxnResponse{
		Header: header(80), Succeeded: true,
		Responses: []*etcdserverpb.ResponseOp{
			// Before the first change the transaction sees, and names, the revision before its own.
			read(&etcdserverpb.RangeResponse{Header: at(79), Count: 1, Kvs: []*mvccpb.KeyValue{{Key: []byte("a")}}}),
			{Response: &etcdserverpb.ResponseOp_ResponsePut{ResponsePut: &etcdserverpb.PutResponse{Header: at(80), PrevKv: &mvccpb.KeyValue{Key: []byte("b")}}}},
			read(&etcdserverpb.RangeResponse{Header: at(80)}),
			{Response: &etcdserverpb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: &etcdserverpb.DeleteRangeResponse{Header: at(80), Deleted: 2}}},
			{Response: &etcdserverpb.ResponseOp_ResponseTxn{ResponseTxn: &etcdserverpb.TxnResponse{
				Header: &etcdserverpb.ResponseHeader{}, Succeeded: true,
				Responses: []*etcdserverpb.ResponseOp{read(&etcdserverpb.RangeResponse{Header: at(80)})},
			}}},
		},
	}, got)
}

// TestTxnWithoutChangeKeepsTheRevision checks the headers of a transaction whose deletion found nothing.
func TestTxnWithoutChangeKeepsTheRevision(t *testing.T) {
	result := &consensusv1.TxnResult{Results: []*consensusv1.OpResult{
		{Result: &consensusv1.OpResult_DeleteRange{DeleteRange: &consensusv1.DeleteRangeResult{}}},
		{Result: &consensusv1.OpResult_Range{Range: &consensusv1.RangeResult{}}},
	}}
	kv := newServices(t, &fakeConsensus{propose: func(context.Context, *consensusv1.Command) (*consensusv1.Result, error) {
		return &consensusv1.Result{Revision: 80, RaftTerm: raftTerm, Result: &consensusv1.Result_Txn{Txn: result}}, nil
	}}, nil).KV
	got, err := kv.Txn(t.Context(), &etcdserverpb.TxnRequest{Success: ops(del("a", ""), get("a"))})
	require.NoError(t, err)
	require.Equal(t, int64(80), got.GetResponses()[0].GetResponseDeleteRange().GetHeader().GetRevision())
	require.Equal(t, int64(80), got.GetResponses()[1].GetResponseRange().GetHeader().GetRevision())
}

// TestComparisonsThatEtcdDoesNotKnow checks that such a comparison decides as it does in etcd, through one that the
// store knows, for a key that exists (version 1) and one that does not (version 0).
func TestComparisonsThatEtcdDoesNotKnow(t *testing.T) {
	holds := func(c *consensusv1.Compare, version int64) bool {
		switch c.GetRelation() {
		case consensusv1.Compare_RELATION_GREATER:
			return version > c.GetVersion()
		case consensusv1.Compare_RELATION_LESS:
			return version < c.GetVersion()
		}
		panic("unexpected relation")
	}
	cases := []struct {
		name             string
		compare          *etcdserverpb.Compare
		existing, absent bool
	}{
		{"relation", &etcdserverpb.Compare{Result: 9, Target: etcdserverpb.Compare_MOD}, true, true},
		{"relation of a value", &etcdserverpb.Compare{Result: 9, Target: etcdserverpb.Compare_VALUE}, true, false},
		{"target, equal", &etcdserverpb.Compare{Result: etcdserverpb.Compare_EQUAL, Target: 9}, true, true},
		{"target, not equal", &etcdserverpb.Compare{Result: etcdserverpb.Compare_NOT_EQUAL, Target: 9}, false, false},
		{"target, greater", &etcdserverpb.Compare{Result: etcdserverpb.Compare_GREATER, Target: 9}, false, false},
		{"both", &etcdserverpb.Compare{Result: 9, Target: 9}, true, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.compare.Key = []byte("k")
			kv := newServices(t, &fakeConsensus{readTxn: func(_ context.Context, r *consensusv1.ReadTxnRequest) (*consensusv1.ReadTxnResponse, error) {
				require.Equal(t, c.existing, holds(r.GetTxn().GetCompare()[0], 1))
				require.Equal(t, c.absent, holds(r.GetTxn().GetCompare()[0], 0))
				return &consensusv1.ReadTxnResponse{}, nil
			}}, nil).KV
			_, err := kv.Txn(t.Context(), &etcdserverpb.TxnRequest{Compare: []*etcdserverpb.Compare{c.compare}})
			require.NoError(t, err)
		})
	}
}
