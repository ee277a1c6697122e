package mvcc

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/budget"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: memory of a large answer is used again once that is encoded, and until then, or where nobody says so, it is the answer's alone. Method:
// answers of the same keys with values that differ by revision, encoded in another order than read, or never; each still shows its own.
func TestAnswersKeepTheirMemoryUntilEncoded(t *testing.T) {
	const keys, valueBytes = 400, 1000
	s := openMem(t, vfs.NewMem())
	for fill := byte('a'); fill <= 'e'; fill++ {
		b := begin(s)
		for i := range keys {
			_, _, err := b.Apply(putCommand(fmt.Sprintf("k%03d", i), string(bytes.Repeat([]byte{fill}, valueBytes))))
			require.NoError(t, err)
		}
		b.SetApplied(uint64(fill), 1)
		require.NoError(t, b.Commit())
	}
	answers := budget.NewAnswers(1 << 30)
	read := func(ctx context.Context, fill byte) *consensusv1.RangeResult {
		v, err := s.View(ctx)
		require.NoError(t, err)
		defer v.Close()
		_, newest := v.Bounds()
		at := newest - int64('e'-fill)*keys
		res, err := EvalRange(ctx, v, &consensusv1.RangeOp{Key: []byte{0}, RangeEnd: []byte{0}, Revision: at})
		require.NoError(t, err)
		require.Len(t, res.GetKvs(), keys)
		return res
	}
	shows := func(res *consensusv1.RangeResult, fill byte) {
		for i, kv := range res.GetKvs() {
			require.Equal(t, fmt.Sprintf("k%03d", i), string(kv.GetKey()))
			require.True(t, bytes.Equal(kv.GetValue(), bytes.Repeat([]byte{fill}, valueBytes)), "%s shows %.9s", kv.GetKey(), kv.GetValue())
		}
	}
	memory := func(res *consensusv1.RangeResult) map[*byte]bool {
		begins := make(map[*byte]bool)
		for _, kv := range res.GetKvs() {
			begins[&kv.GetKey()[0]] = true
		}
		return begins
	}

	reusable := func() *budget.Answer {
		a := answers.New(1)
		a.Reusable()
		return a
	}
	kept, first, second := reusable(), reusable(), reusable()
	ofNobody, ofKept := read(t.Context(), 'a'), read(kept.With(t.Context()), 'b')
	again := false
	for range 20 { // a pool may forget what it has, and does so at random under the race detector
		ofFirst := read(first.With(t.Context()), 'c')
		ofSecond := read(second.With(t.Context()), 'd')
		was := memory(ofFirst)
		shows(ofFirst, 'c')
		first.Encoded()
		first = reusable()
		next := read(reusable().With(t.Context()), 'e')
		for begin := range memory(next) {
			again = again || was[begin]
		}
		shows(next, 'e')
		shows(ofSecond, 'd')
		second.Encoded()
		second = reusable()
	}
	require.True(t, again, "no memory was used again")
	shows(ofNobody, 'a')
	shows(ofKept, 'b')
}
