package mvcc

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Members at which nobody waits for the answer of a transaction read none of its ranges, and change the same. Method: one
// transaction in two stores, one of which is asked; then its answers and the digests.
func TestTransactionThatNobodyWaitsForReadsNoRanges(t *testing.T) {
	asked, other := openMem(t, vfs.NewMem()), openMem(t, vfs.NewMem())
	txn := &consensusv1.TxnOp{Success: []*consensusv1.Op{
		{Op: &consensusv1.Op_Range{Range: &consensusv1.RangeOp{Key: []byte("a"), RangeEnd: []byte("b")}}},
		{Op: &consensusv1.Op_DeleteRange{DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte("a"), RangeEnd: []byte("b"), PrevKv: true}}},
	}}
	answer := func(s *Store, unanswered bool) []*consensusv1.OpResult {
		for i := range 2000 {
			applyAll(t, s, uint64(i+1), putCommand(fmt.Sprintf("a%04d", i), "value"))
		}
		b := s.Begin()
		b.Unanswered = unanswered
		res, _, err := b.Apply(&consensusv1.Command{Command: &consensusv1.Command_Txn{Txn: txn}})
		require.NoError(t, err)
		b.SetApplied(2001, 1)
		require.NoError(t, b.Commit())
		return res.GetTxn().GetResults()
	}
	told := answer(asked, false)
	require.Len(t, told[0].GetRange().GetKvs(), 2000)
	require.Len(t, told[1].GetDeleteRange().GetPrevKvs(), 2000)
	untold := answer(other, true)
	require.Empty(t, untold[0].GetRange().GetKvs())
	require.Empty(t, untold[1].GetDeleteRange().GetPrevKvs())
	requireSameDigests(t, asked, other)
}

// countingReader counts the rows that it shows.
type countingReader struct {
	Reader
	shown int
}

func (c *countingReader) Scan(ctx context.Context, s Span, revision int64, fn func(*Row) (bool, error)) error {
	return c.Reader.Scan(ctx, s, revision, func(r *Row) (bool, error) {
		c.shown++
		return fn(r)
	})
}

// Whether any key of a prefix exists is decided by the first of them, whatever the answer is.
func TestComparisonOfExistenceReadsOneKey(t *testing.T) {
	s := openMem(t, vfs.NewMem())
	for i := range 100 {
		applyAll(t, s, uint64(i+1), putCommand(fmt.Sprintf("a%02d", i), ""))
	}
	v, err := s.View(t.Context())
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
