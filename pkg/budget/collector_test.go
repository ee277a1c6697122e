package budget

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: garbage is an amount, not a share of what lives. Method: step through intervals with heaps of several sizes.
func TestGarbageIsAnAmountThatFollowsTheWork(t *testing.T) {
	g := governor{garbage: garbageMin}
	collections := uint64(0)
	step := func(more, live uint64) int {
		collections += more
		return g.step(heap{live: live, collections: collections})
	}
	require.Equal(t, percentMax, step(0, 4<<20), "a small heap is the runtime's to judge")
	require.Equal(t, 50, step(3, 16<<20), "8 MiB beside 16 MiB")
	require.Equal(t, 100, step(12, 16<<20), "twice as much work: 16 MiB")
	require.Equal(t, 50, step(12, 64<<20), "and once more: 32 MiB")
	for range 10 {
		step(20, 128<<20)
	}
	require.EqualValues(t, garbageMax, g.garbage)
	require.Equal(t, percentMin, step(20, 4<<30), "a large heap is not collected without end")
	for range 10 {
		step(0, 128<<20)
	}
	require.EqualValues(t, garbageMin, g.garbage, "a lull gives it back")
}

// Goal: where very many wait, their stacks are not looked through more often than by default. Method: heaps of one size, with stacks of different ones.
func TestGarbageGrowsWithStacks(t *testing.T) {
	percent := func(stacks uint64) int {
		return (&governor{garbage: garbageMin}).step(heap{live: 32 << 20, stacks: stacks})
	}
	require.Equal(t, 25, percent(0))
	require.Equal(t, 62, percent(4<<20))
	require.Equal(t, percentMax, percent(20<<20))
}

// Goal: the world is not stopped for nothing. Method: compare percentages that differ by more and less than a tenth.
func TestSmallDifferencesAreNear(t *testing.T) {
	require.True(t, near(50, 52))
	require.True(t, near(52, 50))
	require.False(t, near(50, 60))
	require.False(t, near(0, 100))
}
