package rpc

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/delivery"
	v1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// The messages of TestKeyValuesAreEncodedAsBefore: a version with everything, and one that has little.
var (
	wholeKV = &mvccpb.KeyValue{Key: []byte("/a"), CreateRevision: 300, ModRevision: 301, Version: 2, Value: []byte("v\xff"), Lease: -7}
	bareKV  = &mvccpb.KeyValue{Key: []byte("b"), ModRevision: 302}
	treeOf  = &v1.TreeChange{
		Action: v1.TreeAction_TREE_ACTION_DELETE, Node: &v1.TreeNode{Path: []byte("/d"), Dir: true}, Removed: [][]byte{[]byte("/d/e")},
	}
	putEvent    = &v1.Event{Kv: wholeKV, PrevKv: &mvccpb.KeyValue{Key: []byte("/a"), CreateRevision: 300, ModRevision: 300, Version: 1}}
	deleteEvent = &v1.Event{Type: v1.Event_DELETE, Kv: bareKV, PrevKv: wholeKV}
	rangeOf     = &v1.RangeResult{Kvs: []*mvccpb.KeyValue{wholeKV, bareKV}, More: true, Count: 5}
	commitsOf   = []*v1.Commit{
		{Revision: 301, Events: []*v1.Event{putEvent}},
		{Revision: 302, Events: []*v1.Event{deleteEvent}, Tree: treeOf},
	}
)

// Goal: nodes and members of the time before key-values were etcd's own messages, a450dee, understand ours and we theirs. Method: each
// message that has a key-value in it decodes from the bytes that a450dee made of it, and encodes to them.
func TestKeyValuesAreEncodedAsBefore(t *testing.T) {
	for name, c := range map[string]struct {
		message proto.Message
		before  string
	}{
		"put": {
			&v1.ProposeResponse{Result: &v1.Result{
				Revision: 302, Result: &v1.Result_Put{Put: &v1.PutResult{PrevKv: wholeKV}}, RaftTerm: 2, RaftIndex: 9,
			}},
			"0a2608ae0270027809121d0a1b0a022f6110ac0218ad0220022a0276ff30f9ffffffffffffffff01",
		},
		"delete": {
			&v1.ProposeResponse{Result: &v1.Result{Revision: 302, Result: &v1.Result_DeleteRange{
				DeleteRange: &v1.DeleteRangeResult{Deleted: 2, PrevKvs: []*mvccpb.KeyValue{wholeKV, bareKV}},
			}}},
			"0a2c08ae021a270802121b0a022f6110ac0218ad0220022a0276ff30f9ffffffffffffffff0112060a016218ae02",
		},
		"transaction": {
			&v1.ReadTxnResponse{Result: &v1.TxnResult{
				Succeeded: true, Results: []*v1.OpResult{{Result: &v1.OpResult_Range{Range: rangeOf}}},
			}, Revision: 302, RaftTerm: 2},
			"0a2f0801122b0a290a1b0a022f6110ac0218ad0220022a0276ff30f9ffffffffffffffff010a060a016218ae021001180510ae021802",
		},
		"range": {
			&v1.RangeResponse{Result: rangeOf, Revision: 302, RaftTerm: 2},
			"0a290a1b0a022f6110ac0218ad0220022a0276ff30f9ffffffffffffffff010a060a016218ae021001180510ae021802",
		},
		"stream": {
			&v1.RangeStreamResponse{Result: rangeOf, Revision: 302, RaftTerm: 2},
			"0a290a1b0a022f6110ac0218ad0220022a0276ff30f9ffffffffffffffff010a060a016218ae021001180510ae021802",
		},
		"tail": {
			&v1.TailResponse{Commits: append(commitsOf[:2:2], &v1.Commit{Revision: 303}), Head: 303},
			"0a3008ad02122b121b0a022f6110ac0218ad0220022a0276ff30f9ffffffffffffffff011a0c0a022f6110ac0218ac022001" +
				"0a3e08ae021227080112060a016218ae021a1b0a022f6110ac0218ad0220022a0276ff30f9ffffffffffffffff011a10080512060a022f64180122042f642f65" +
				"0a0308af0210af02",
		},
		"history": {
			&v1.HistoryResponse{Commits: commitsOf, ThroughRevision: 302},
			"0a3008ad02122b121b0a022f6110ac0218ad0220022a0276ff30f9ffffffffffffffff011a0c0a022f6110ac0218ac022001" +
				"0a3e08ae021227080112060a016218ae021a1b0a022f6110ac0218ad0220022a0276ff30f9ffffffffffffffff011a10080512060a022f64180122042f642f6510ae02",
		},
	} {
		before, err := hex.DecodeString(c.before)
		require.NoError(t, err)
		decoded := c.message.ProtoReflect().New().Interface()
		require.NoError(t, proto.Unmarshal(before, decoded), name)
		require.True(t, proto.Equal(c.message, decoded), "%s: want %v, got %v", name, c.message, decoded)
		encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(c.message)
		require.NoError(t, err)
		require.Equal(t, c.before, hex.EncodeToString(encoded), name)
	}
}

// Goal: the same for the events that watch nodes send, which reach etcd's clients as they are. Method: the bytes that a450dee made of a
// batch, read as ours, written again, and the events of keys read as etcd's.
func TestEventsAreEncodedAsBefore(t *testing.T) {
	const before = "5a2b121b0a022f6110ac0218ad0220022a0276ff30f9ffffffffffffffff011a0c0a022f6110ac0218ac022001" +
		"5a1a0802120318ae02820110080512060a022f64180122042f642f65" +
		"5a27080112060a016218ae021a1b0a022f6110ac0218ad0220022a0276ff30f9ffffffffffffffff01"
	events := []*v1.Event{putEvent, {Type: v1.Event_TREE, Kv: &mvccpb.KeyValue{ModRevision: 302}, Tree: treeOf}, deleteEvent}
	require.Equal(t, before, hex.EncodeToString(delivery.NewBatch(events).Encoded()))
	encoded, err := hex.DecodeString(before)
	require.NoError(t, err)
	batch, err := delivery.FromEncoded(encoded, 301, 302)
	require.NoError(t, err)
	require.Len(t, batch.Events(), len(events))
	for i, event := range batch.Events() {
		require.True(t, proto.Equal(events[i], event), "want %v, got %v", events[i], event)
	}
	encoded, err = proto.Marshal(deleteEvent)
	require.NoError(t, err)
	var etcds mvccpb.Event
	require.NoError(t, proto.Unmarshal(encoded, &etcds))
	require.Equal(t, mvccpb.Event_DELETE, etcds.GetType())
	require.True(t, proto.Equal(bareKV, etcds.GetKv()))
	require.True(t, proto.Equal(wholeKV, etcds.GetPrevKv()))
}
