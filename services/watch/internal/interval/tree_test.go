package interval

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: Stab finds exactly the ranges that hold a key. Method: random insertions and deletions of ranges, bounded,
// unbounded and empty, compared after each step with a scan of a plain map.
func TestStabAgreesWithScan(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	key := func() string {
		b := make([]byte, random.IntN(3))
		for i := range b {
			b[i] = byte('a' + random.IntN(4))
		}
		return string(b)
	}

	var tree Tree[string]
	model := map[Range]string{}
	for step := range 4000 {
		span := Range{From: key(), To: key()}
		if random.IntN(5) == 0 {
			span.To, span.Unbounded = "", true
		}
		if random.IntN(2) == 0 {
			tree.Delete(span)
			delete(model, span)
		} else {
			value := fmt.Sprint(step)
			tree.Set(span, value)
			model[span] = value
		}
		require.Equal(t, len(model), tree.Len())
		want, known := model[span]
		got, ok := tree.Get(span)
		require.Equal(t, known, ok)
		require.Equal(t, want, got)

		probe := []byte(key())
		var expected []string
		for span, value := range model {
			if span.Contains(probe) {
				expected = append(expected, value)
			}
		}
		found := tree.Stab(probe, nil)
		slices.Sort(expected)
		slices.Sort(found)
		require.Equal(t, expected, found, "step %d, key %q", step, probe)
	}
}

// Goal: ranges inserted in order do not degenerate into a list. Method: the deepest path of a hundred thousand
// ascending ranges stays near the logarithm.
func TestDepthStaysLogarithmic(t *testing.T) {
	var tree Tree[int]
	for i := range 100_000 {
		tree.Set(Range{From: fmt.Sprintf("%08d", i), To: fmt.Sprintf("%08d", i+1)}, i)
	}
	require.Less(t, depth(tree.root), 80)
}

func depth[V any](n *node[V]) int {
	if n == nil {
		return 0
	}
	return 1 + max(depth(n.left), depth(n.right))
}

// BenchmarkStab shows the cost of finding the one range among 10,000 that holds a key.
// Run: go test -bench Stab ./internal/interval
func BenchmarkStab(b *testing.B) {
	var tree Tree[int]
	keys := make([][]byte, 10_000)
	for i := range keys {
		tree.Set(Range{From: fmt.Sprintf("%08d", i), To: fmt.Sprintf("%08d", i+1)}, i)
		keys[i] = fmt.Appendf(nil, "%08d/x", i)
	}
	var found []int
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		found = tree.Stab(keys[i%len(keys)], found[:0])
		if len(found) != 1 {
			b.Fatal(found)
		}
	}
}
