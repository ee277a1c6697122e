package budget

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: garbage is an amount, not a share of what lives. Method: step through intervals with heaps of several sizes.
func TestGarbageIsAnAmountThatFollowsTheWork(t *testing.T) {
	g := newStepped(math.MaxInt64)
	require.Equal(t, percentDefault, g.step(0, 4<<20, 0), "a small heap is the runtime's to judge")
	require.Equal(t, 50, g.step(3, 16<<20, 0), "8 MiB beside 16 MiB")
	require.Equal(t, 100, g.step(12, 16<<20, 0), "twice as much work: 16 MiB")
	require.Equal(t, 50, g.step(12, 64<<20, 0), "and once more: 32 MiB")
	for range 10 {
		g.step(20, 128<<20, 0)
	}
	require.EqualValues(t, garbageMax, g.garbage)
	require.Equal(t, percentMin, g.step(20, 4<<30, 0), "a large heap is not collected without end")
	for range 10 {
		g.step(0, 128<<20, 0)
	}
	require.EqualValues(t, garbageMin, g.garbage, "a lull gives it back")
}

// Goal: a small heap is not collected many times a second for as long as a load lasts, and a burst is no such load. Method: the
// same work interval after interval, which takes fewer collections the more garbage there may be; then a lull.
func TestALoadThatLastsHasMoreGarbage(t *testing.T) {
	const live, work = 32 << 20, 256 << 20
	g := newStepped(math.MaxInt64)
	percent := g.step(0, live, 0)
	interval := func() uint64 {
		collections := uint64(work / (live * percent / 100))
		percent = g.step(collections, live, 0)
		return collections
	}
	for range lastingIntervals - 1 {
		interval()
		require.LessOrEqual(t, percent, percentDefault, "a burst")
		require.LessOrEqual(t, g.garbage, uint64(live), "nor does it ask for more for later")
	}
	for range 5 {
		interval()
	}
	require.LessOrEqual(t, interval(), uint64(collectionsMany/2))
	require.Greater(t, percent, percentDefault)
	require.LessOrEqual(t, live*percent/100, garbageMax)
	for range 4 {
		percent = g.step(0, live, 0)
	}
	require.Equal(t, 100*garbageMin/live, percent, "a lull gives it back")
}

// Goal: where very many wait, their stacks are not looked through more often than by default, and a moment without them is not taken
// for their end. Method: heaps of one size, with stacks of different ones.
func TestGarbageGrowsWithStacks(t *testing.T) {
	g := newStepped(math.MaxInt64)
	step := func(stacks uint64) int { return g.step(1, 32<<20, stacks) }
	require.Equal(t, 25, step(0))
	require.Equal(t, 25, step(stacksFew), "a hundred clients")
	require.Equal(t, 25+garbageOfStacks*100/16, step(stacksFew+2<<20))
	require.Equal(t, 25+garbageOfStacks*100/8, step(stacksFew+4<<20), "more than what lives")
	require.Equal(t, 25+garbageOfStacks*100*3/64, step(0), "all have just been answered")
	for range 10 {
		step(stacksFew)
	}
	require.Equal(t, 25, step(stacksFew))
	require.Equal(t, garbageMax*100/(32<<20), step(1<<30), "within the bound")
	require.Equal(t, percentMost, g.step(1, 1<<20, 1<<30))
}

// Goal: a process with little memory keeps its garbage within a part of that, whatever the load. Method: limits, with a load that would have it grow beyond.
func TestGarbageIsAPartOfTheLimit(t *testing.T) {
	for _, limit := range []int64{32 << 20, 256 << 20, 512 << 20} {
		g := newStepped(limit)
		for range 2 * lastingIntervals {
			require.LessOrEqual(t, int64(16<<20*g.step(20, 16<<20, 64<<20)/100), limit/garbagePart)
		}
	}
}

// stepped is a governor that is told of collections as they come.
type stepped struct {
	*governor
	all uint64
}

func newStepped(limit int64) *stepped { return &stepped{governor: newGovernor(limit)} }

func (s *stepped) step(collections, live, stacks uint64) int {
	s.all += collections
	return s.governor.step(heap{live: live, stacks: stacks, collections: s.all})
}

// Goal: the world is not stopped for nothing. Method: compare percentages that differ by more and less than a tenth.
func TestSmallDifferencesAreNear(t *testing.T) {
	require.True(t, near(50, 52))
	require.True(t, near(52, 50))
	require.False(t, near(50, 60))
	require.False(t, near(0, 100))
}
