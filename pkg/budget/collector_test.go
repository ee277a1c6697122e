package budget

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: garbage is an amount, not a share of what lives. Method: work for intervals with heaps of several sizes.
func TestGarbageIsAnAmountThatFollowsTheWork(t *testing.T) {
	g := newWorking(math.MaxInt64)
	require.Equal(t, percentDefault, g.work(0, 4<<20, 0), "a small heap is the runtime's to judge")
	require.Equal(t, 50, g.work(24<<20, 16<<20, 0), "8 MiB beside 16 MiB")
	require.Equal(t, 100, g.work(collectionsMany*16<<20, 16<<20, 0), "16 MiB")
	for range 3 {
		require.Equal(t, 50, g.work(collectionsMany*32<<20, 64<<20, 0), "32 MiB")
	}
	for range 10 {
		g.work(8<<30, 128<<20, 0)
	}
	require.EqualValues(t, garbageMax, g.garbage)
	require.Equal(t, percentMin, g.work(8<<30, 4<<30, 0), "a large heap is not collected without end")
	for range 10 {
		g.work(0, 128<<20, 0)
	}
	require.EqualValues(t, garbageMin, g.garbage, "a lull gives it back")
}

// Goal: a sudden load is not collected for without end until an interval has gone by. Method: nothing, and then a look after a quarter of an interval in which
// as much was allocated as two large ranges at a time do.
func TestASuddenLoadIsSeenAtOnce(t *testing.T) {
	const live, allocated = 128 << 20, 140 << 20
	g := newWorking(math.MaxInt64)
	require.Equal(t, percentMin, g.work(0, live, 0))
	require.Equal(t, 100*looks*allocated/collectionsMany/live, g.quarter(allocated, live, 0))
}

// Goal: a small heap is not collected many times a second for as long as a load lasts, and a burst is no such load. Method: the
// same work interval after interval, which takes fewer collections the more garbage there may be; then a lull.
func TestALoadThatLastsHasMoreGarbage(t *testing.T) {
	const live, work = 32 << 20, 256 << 20
	g := newWorking(math.MaxInt64)
	for range lastingIntervals - 1 {
		require.LessOrEqual(t, g.work(work, live, 0), percentDefault, "a burst")
		require.LessOrEqual(t, g.garbage, uint64(live), "nor does it ask for more for later")
	}
	for range 5 {
		g.work(work, live, 0)
	}
	before := g.heap.collections
	percent := g.work(work, live, 0)
	require.LessOrEqual(t, g.heap.collections-before, uint64(collectionsMany/2))
	require.Greater(t, percent, percentDefault)
	require.LessOrEqual(t, live*percent/100, garbageMax)
	for range 4 {
		percent = g.work(0, live, 0)
	}
	require.Equal(t, 100*garbageMin/live, percent, "a lull gives it back")
}

// Goal: where very many wait, their stacks are not looked through more often than by default, and a moment without them is not taken
// for their end. Method: heaps of one size, with stacks of different ones.
func TestGarbageGrowsWithStacks(t *testing.T) {
	g := newWorking(math.MaxInt64)
	step := func(stacks uint64) int { return g.work(0, 32<<20, stacks) }
	require.Equal(t, 25, step(0))
	require.Equal(t, 25, step(stacksFew), "a hundred clients")
	require.Equal(t, 25+garbageOfStacks*100/16, step(stacksFew+2<<20))
	require.Equal(t, 25+garbageOfStacks*100/8, step(stacksFew+4<<20), "more than what lives")
	require.Greater(t, step(0), 25, "all have just been answered")
	for range 10 {
		step(stacksFew)
	}
	require.Equal(t, 25, step(stacksFew))
	require.Equal(t, garbageMax*100/(32<<20), step(1<<30), "within the bound")
	require.Equal(t, percentMost, g.work(0, 1<<20, 1<<30))
}

// Goal: a process with little memory keeps its garbage within a part of that, whatever the load. Method: limits, with a load that would have it grow beyond.
func TestGarbageIsAPartOfTheLimit(t *testing.T) {
	for _, limit := range []int64{32 << 20, 256 << 20, 512 << 20} {
		g := newWorking(limit)
		for range 2 * lastingIntervals {
			require.LessOrEqual(t, int64(16<<20*g.work(1<<30, 16<<20, 64<<20)/100), limit/garbagePart)
		}
	}
}

// working is a governor of a heap that is collected as it says.
type working struct {
	*governor
	heap    heap
	percent uint64
	since   uint64 // bytes since the last collection
}

func newWorking(limit int64) *working {
	return &working{governor: newGovernor(limit), percent: percentDefault}
}

// work allocates so many bytes in an interval, beside what lives, and returns the percentage at its end.
func (w *working) work(bytes, live, stacks uint64) (percent int) {
	for range looks {
		percent = w.quarter(bytes/looks, live, stacks)
	}
	return percent
}

// quarter allocates until the next look.
func (w *working) quarter(bytes, live, stacks uint64) int {
	w.heap.live, w.heap.stacks = live, stacks
	w.heap.allocated += bytes
	for w.since += bytes; w.since >= live*w.percent/100; w.since -= live * w.percent / 100 {
		w.heap.collections++
	}
	percent := w.look(w.heap)
	w.percent = uint64(percent)
	return percent
}

// Goal: the world is not stopped for nothing. Method: compare percentages that differ by more and less than a tenth.
func TestSmallDifferencesAreNear(t *testing.T) {
	require.True(t, near(50, 52))
	require.True(t, near(52, 50))
	require.False(t, near(50, 60))
	require.False(t, near(0, 100))
}
