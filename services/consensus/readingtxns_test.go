package consensus

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

const readingKeys = 6_000

// startWithKeys is a member with readingKeys keys that begin with k, and one with a long value.
func startWithKeys(t *testing.T) *running {
	t.Helper()
	m := start(t, testConfig(vfs.NewMem()))
	for i := 0; i < readingKeys; i += 1000 {
		txn := &consensusv1.TxnOp{}
		for j := range 1000 {
			txn.Success = append(txn.Success, putOp(fmt.Sprintf("k%05d", i+j), nil))
		}
		require.NoError(t, propose(t.Context(), m, txnCommand(txn)))
	}
	require.NoError(t, propose(t.Context(), m, txnCommand(&consensusv1.TxnOp{Success: []*consensusv1.Op{putOp("long", make([]byte, 1<<20))}})))
	return m
}

func putOp(key string, value []byte) *consensusv1.Op {
	return &consensusv1.Op{Op: &consensusv1.Op_Put{Put: &consensusv1.PutOp{Key: []byte(key), Value: value}}}
}

func rangeOp(op *consensusv1.RangeOp) *consensusv1.Op {
	return &consensusv1.Op{Op: &consensusv1.Op_Range{Range: op}}
}

func txnCommand(op *consensusv1.TxnOp) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Txn{Txn: op}}
}

// comparing compares so many times with all keys, and puts one.
func comparing(n int) *consensusv1.TxnOp {
	compare := &consensusv1.Compare{
		Key: []byte("k"), RangeEnd: []byte("l"), Relation: consensusv1.Compare_RELATION_LESS, Target: &consensusv1.Compare_Version{Version: 1 << 60},
	}
	return &consensusv1.TxnOp{
		Compare: times(compare, n),
		Success: []*consensusv1.Op{putOp("compared", nil)},
	}
}

func times[T any](one T, n int) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = one
	}
	return all
}

// Goal: no transaction that writes has the applier, for which all other writes wait, read without end, nor answers with more than there is room for.
// Method: transactions that just may, and that may not, because of their comparisons, their ranges on either side or in a nested one, or of what a key
// holds that is read again and again; those that may not have no effect.
func TestTransactionsThatReadTooMuchAreRefused(t *testing.T) {
	m := startWithKeys(t)
	const most = mvcc.MeasuredRowsMax / readingKeys
	all := rangeOp(&consensusv1.RangeOp{Key: []byte("k"), RangeEnd: []byte("l"), MinModRevision: 1 << 60})
	long := rangeOp(&consensusv1.RangeOp{Key: []byte("long")})
	first := rangeOp(&consensusv1.RangeOp{Key: []byte("k"), RangeEnd: []byte("l"), Limit: 1})
	count := rangeOp(&consensusv1.RangeOp{Key: []byte("k"), RangeEnd: []byte("l"), CountOnly: true})
	put := putOp("compared", nil)
	exists := &consensusv1.Compare{
		Key: []byte("k"), RangeEnd: []byte("l"), Relation: consensusv1.Compare_RELATION_GREATER, Target: &consensusv1.Compare_Version{},
	}
	for name, op := range map[string]*consensusv1.TxnOp{
		"comparisons":       comparing(most),
		"values":            {Success: append(times(long, 60), put)},
		"first keys":        {Success: append(times(first, 128), put)},
		"counts":            {Success: append(times(count, 128), put)},
		"whether there are": {Compare: times(exists, 128), Success: []*consensusv1.Op{put}},
	} {
		require.NoError(t, propose(t.Context(), m, txnCommand(op)), name)
	}
	head := m.mustPut(t, "last", "")
	nested := &consensusv1.Op{Op: &consensusv1.Op_Txn{Txn: comparing(most)}}
	for name, op := range map[string]*consensusv1.TxnOp{
		"comparisons":        comparing(most + 1),
		"ranges":             {Success: append(times(all, most+1), put)},
		"on the other side":  {Success: []*consensusv1.Op{put}, Failure: times(all, most+1)},
		"nested comparisons": {Success: []*consensusv1.Op{nested, nested}},
		"values":             {Success: append(times(long, 65), put)},
	} {
		require.ErrorIs(t, propose(t.Context(), m, txnCommand(op)), errdefs.ErrTooLarge, name)
	}
	require.Equal(t, head+1, m.mustPut(t, "last", ""))
}

// Goal: transactions that read much wait for each other before they are proposed, and others do not wait for them; who leaves gives the place back when what
// it may have left in the log has been carried out. Method: one that is under way, a second one that waits, puts and small transactions meanwhile; then the
// first one's caller leaves.
func TestTransactionsThatReadMuchWaitForEachOther(t *testing.T) {
	m := startWithKeys(t)
	much := txnCommand(comparing(mvcc.MeasuredRowsMax/readingKeys - 1))
	ctx, left := context.WithCancel(t.Context())
	leave, err := m.readingTxns.enter(ctx, much)
	require.NoError(t, err)
	proposed := make(chan error, 1)
	go func() { proposed <- propose(t.Context(), m, much) }()
	for i := range 50 {
		m.mustPut(t, fmt.Sprint(i), "")
		require.NoError(t, propose(t.Context(), m, txnCommand(&consensusv1.TxnOp{
			Success: []*consensusv1.Op{putOp("small", nil), rangeOp(&consensusv1.RangeOp{Key: []byte("small")})},
		})))
	}
	require.Empty(t, proposed)
	waits, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = m.readingTxns.enter(waits, much)
	require.ErrorIs(t, err, context.Canceled)
	left()
	leave()
	require.NoError(t, <-proposed)
}
