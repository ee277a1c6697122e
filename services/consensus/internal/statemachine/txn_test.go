package statemachine

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// open makes a state machine over a store in memory that closes with the test.
func open(t *testing.T) *Machine {
	t.Helper()
	s, err := mvcc.Open(mvcc.Config{Dir: "state", FS: vfs.NewMem()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return New(s)
}

// applyAll applies commands as one entry, and returns their results.
func applyAll(t *testing.T, b *Batch, index uint64, commands ...*consensusv1.Command) (results []*consensusv1.Result) {
	t.Helper()
	for _, c := range commands {
		res, _, err := b.Apply(c)
		require.NoError(t, err)
		results = append(results, res)
	}
	b.SetApplied(index, 1)
	require.NoError(t, b.Commit())
	return results
}

func putCommand(key, value string) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte(key), Value: []byte(value)}}}
}

// Members at which nobody waits for the answer of a transaction read none of its ranges, and change the same. Method: one
// transaction in two stores, one of which is asked; then its answers and the digests.
func TestTransactionThatNobodyWaitsForReadsNoRanges(t *testing.T) {
	asked, other := open(t), open(t)
	txn := &consensusv1.TxnOp{Success: []*consensusv1.Op{
		{Op: &consensusv1.Op_Range{Range: &consensusv1.RangeOp{Key: []byte("a"), RangeEnd: []byte("b")}}},
		{Op: &consensusv1.Op_DeleteRange{DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte("a"), RangeEnd: []byte("b"), PrevKv: true}}},
	}}
	answer := func(m *Machine, answered bool) []*consensusv1.OpResult {
		for i := range 2000 {
			applyAll(t, m.Begin(), uint64(i+1), putCommand(fmt.Sprintf("a%04d", i), "value"))
		}
		b := m.Begin()
		b.Answers(answered)
		return applyAll(t, b, 2001, &consensusv1.Command{Command: &consensusv1.Command_Txn{Txn: txn}})[0].GetTxn().GetResults()
	}
	told := answer(asked, true)
	require.Len(t, told[0].GetRange().GetKvs(), 2000)
	require.Len(t, told[1].GetDeleteRange().GetPrevKvs(), 2000)
	untold := answer(other, false)
	require.Empty(t, untold[0].GetRange().GetKvs())
	require.Empty(t, untold[1].GetDeleteRange().GetPrevKvs())
	require.Equal(t, asked.store.Digests(), other.store.Digests())
	require.NotZero(t, asked.store.Digests()[0].State)
}

// countingReader counts the rows that it shows.
type countingReader struct {
	mvcc.Reader
	shown int
}

func (c *countingReader) Scan(ctx context.Context, s mvcc.Span, revision int64, fn func(*mvcc.Row) (bool, error)) error {
	return c.Reader.Scan(ctx, s, revision, func(r *mvcc.Row) (bool, error) {
		c.shown++
		return fn(r)
	})
}

// Whether any key of a prefix exists is decided by the first of them, whatever the answer is.
func TestComparisonOfExistenceReadsOneKey(t *testing.T) {
	m := open(t)
	for i := range 100 {
		applyAll(t, m.Begin(), uint64(i+1), putCommand(fmt.Sprintf("a%02d", i), ""))
	}
	v, err := m.store.View(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, v.Close()) }()
	for relation, holds := range map[consensusv1.Compare_Relation]bool{
		consensusv1.Compare_RELATION_EQUAL: false, consensusv1.Compare_RELATION_NOT_EQUAL: true,
		consensusv1.Compare_RELATION_GREATER: true, consensusv1.Compare_RELATION_LESS: false,
	} {
		for _, c := range []*consensusv1.Compare{
			{Target: &consensusv1.Compare_Version{}},
			{Target: &consensusv1.Compare_CreateRevision{}},
			{Target: &consensusv1.Compare_ModRevision{}},
		} {
			c.Key, c.RangeEnd, c.Relation = []byte("a"), []byte("b"), relation
			rd := &countingReader{Reader: v}
			got, err := compare(t.Context(), rd, c)
			require.NoError(t, err)
			require.Equal(t, holds, got, c)
			require.Equal(t, 1, rd.shown, c)
		}
	}
}

// A put that keeps the value and the lease of a key that its transaction has just deleted finds none, and ends no member, as it
// does etcd's. It gets here where the deletion goes to the end of all keys, which is not taken for a duplicate.
func TestPutThatKeepsWhatWasJustDeleted(t *testing.T) {
	m := open(t)
	results := applyAll(
		t, m.Begin(), 1,
		&consensusv1.Command{Command: &consensusv1.Command_LeaseGrant{LeaseGrant: &consensusv1.LeaseGrantOp{Id: 7, Ttl: 60}}},
		&consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte("k"), Value: []byte("v"), Lease: 7}}},
		&consensusv1.Command{Command: &consensusv1.Command_Txn{Txn: &consensusv1.TxnOp{Success: []*consensusv1.Op{
			{Op: &consensusv1.Op_DeleteRange{DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte{0}, RangeEnd: []byte{0}}}},
			{Op: &consensusv1.Op_Put{Put: &consensusv1.PutOp{Key: []byte("k"), IgnoreValue: true, IgnoreLease: true}}},
			{Op: &consensusv1.Op_Range{Range: &consensusv1.RangeOp{Key: []byte("k")}}},
		}}}},
	)
	told := results[2].GetTxn().GetResults()
	require.Len(t, told, 3)
	require.EqualValues(t, 1, told[0].GetDeleteRange().GetDeleted())
	kv := told[2].GetRange().GetKvs()[0]
	require.Empty(t, kv.GetValue())
	require.Zero(t, kv.GetLease())
	require.EqualValues(t, 1, kv.GetVersion())
}
