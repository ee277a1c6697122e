package mvcc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Counts are those of a scan, at every revision, inside of transactions, and after a restart. There are many times more
// keys than a bucket holds; they come and go singly and in masses.
func TestCountIsThatOfAScan(t *testing.T) {
	fs := vfs.NewMem()
	s := openSmall(t, fs)
	r := rand.New(rand.NewPCG(7, 7))
	key := func() string { return fmt.Sprintf("k%05d", r.IntN(6000)) }
	for step := range 60 {
		b := begin(s)
		for range 150 {
			c := putCommand(key(), "v")
			if r.IntN(400) == 0 {
				low := r.IntN(6000)
				c = deleteCommand(fmt.Sprintf("k%05d", low), fmt.Sprintf("k%05d", low+r.IntN(1500)))
			} else if r.IntN(3) == 0 {
				c = deleteCommand(key(), "")
			}
			_, _, err := b.Apply(c)
			require.NoError(t, err)
		}
		requireCount(t, r, s.batch, s.batch.begun.revision, s.batch.now.revision)
		require.NoError(t, b.Commit())
		if step%20 == 10 {
			require.NoError(t, s.Close())
			s = openSmall(t, fs)
		}
		v, err := s.View(context.Background())
		require.NoError(t, err)
		requireCount(t, r, v, max(1, v.revision-300), v.revision)
		require.NoError(t, v.Close())
	}
	require.Greater(t, s.state.Load().counts.Buckets(), 5)
	require.NoError(t, s.Close())
}

func requireCount(t *testing.T, r *rand.Rand, rd Reader, oldest, newest int64) {
	t.Helper()
	for range 10 {
		sp := NewSpan(fmt.Appendf(nil, "k%05d", r.IntN(6000)), fmt.Appendf(nil, "k%05d", r.IntN(6000)))
		if r.IntN(4) == 0 {
			sp = NewSpan([]byte("k"), []byte{0})
		}
		revision := oldest + r.Int64N(newest-oldest+2)
		if revision > newest {
			revision = NewestRevision
		}
		want, err := countByScan(context.Background(), rd, sp, revision)
		require.NoError(t, err)
		got, err := rd.Count(context.Background(), sp, revision)
		require.NoError(t, err)
		require.Equal(t, want, got, "span %q to %q at %d", sp.low, sp.high, revision)
		page := &consensusv1.RangeOp{Key: sp.low, RangeEnd: sp.high, Revision: revision, Limit: 1 + r.Int64N(700)}
		if sp.unbounded {
			page.RangeEnd = []byte{0}
		}
		res, err := EvalRange(context.Background(), rd, page)
		require.NoError(t, err)
		require.Equal(t, want, res.GetCount(), "page of %d of span %q to %q at %d", page.GetLimit(), sp.low, sp.high, revision)
	}
}

// A page of a long list tells the whole count, and the next page's, at the first page's revision while keys change.
func TestPagesTellTheWholeCount(t *testing.T) {
	s := openMem(t, vfs.NewMem())
	var commands []*consensusv1.Command
	for i := range 3000 {
		commands = append(commands, putCommand(fmt.Sprintf("k%05d", i), "v"))
	}
	applyAll(t, s, 1, commands...)
	op := &consensusv1.RangeOp{Key: []byte("k"), RangeEnd: []byte("l"), Limit: 500}
	for left := 3000; left > 0; left -= 500 {
		res, head, err := s.Range(context.Background(), op)
		require.NoError(t, err)
		require.Equal(t, int64(left), res.GetCount())
		require.Len(t, res.GetKvs(), 500)
		require.Equal(t, left > 500, res.GetMore())
		if op.GetRevision() == 0 {
			op.Revision = head
		}
		op.Key = append(res.GetKvs()[499].GetKey(), 0)
		applyAll(t, s, 2, putCommand(fmt.Sprintf("k%05d+", left), "new"), deleteCommand(fmt.Sprintf("k%05d", left-2), ""))
	}
}
