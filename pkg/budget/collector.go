package budget

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// garbageMin and garbageMax bound what may lie on the heap as garbage before it is collected.
	garbageMin = 8 << 20
	garbageMax = 128 << 20
	// garbageOfStacks is how much more there may be for stacks, as a multiple of them.
	garbageOfStacks = 3
	// collectionsFew and collectionsMany are how many collections an interval may bring without a change: above, there may
	// be more garbage; below, less.
	collectionsFew, collectionsMany = 2, 6
	// governInterval is how often that is looked at.
	governInterval = time.Second
	// percentMin keeps a large heap from being collected without end: a quarter of it may always be garbage.
	percentMin = 25
	// percentMax is the runtime's own default.
	percentMax = 100
)

// Govern decides how much garbage may lie on the heap, until ctx ends. The runtime's default is as much again as what
// lives there, whatever that is: a store whose buffers and caches are large, and hold nothing that a collection would
// have to follow, takes twice their size for that. Here it is an amount, and it follows how often the heap is collected. The more waits, the
// more it is: a thousand requests that wait for an event have stacks, all of whose calls a collection looks at.
//
// It does nothing where GOGC is set: then somebody has decided. GOMEMLIMIT goes on to hold.
func Govern(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	g := governor{garbage: garbageMin}
	ticker := time.NewTicker(governInterval)
	defer ticker.Stop()
	for percent := 0; ; {
		if next := g.step(readHeap()); !near(percent, next) {
			debug.SetGCPercent(next)
			percent = next
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			debug.SetGCPercent(percentMax)
			return
		}
	}
}

// heap is what the runtime tells of it.
type heap struct {
	live        uint64 // bytes that the last collection found in use
	stacks      uint64 // bytes of stacks that it looked through
	collections uint64 // since the process began
}

func readHeap() heap {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/automatic:gc-cycles"}, {Name: "/gc/scan/stack:bytes"},
	}
	metrics.Read(samples)
	return heap{live: samples[0].Value.Uint64(), collections: samples[1].Value.Uint64(), stacks: samples[2].Value.Uint64()}
}

// governor holds what Govern goes by.
type governor struct {
	garbage     uint64
	collections uint64
}

// step takes the heap after another interval and returns the percentage to collect at.
func (g *governor) step(h heap) int {
	since := h.collections - g.collections
	g.collections = h.collections
	switch {
	case since > collectionsMany:
		g.garbage = min(g.garbage*uint64(since)/collectionsMany, garbageMax) // as much as it would have taken
	case since < collectionsFew:
		g.garbage = max(g.garbage/2, garbageMin)
	}
	garbage := min(g.garbage+garbageOfStacks*h.stacks, garbageMax)
	return int(min(max(garbage*100/max(h.live, 1), percentMin), percentMax))
}

// near tells whether the difference between two percentages is not worth stopping the world for.
func near(a, b int) bool { return 10*max(a-b, b-a) <= a }
