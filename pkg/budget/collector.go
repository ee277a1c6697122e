package budget

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// garbageMin and garbageMax bound what may lie on the heap as garbage before it is collected. Where the process has a limit, no more
	// than one part in garbagePart of it may.
	garbageMin  = 8 << 20
	garbageMax  = 128 << 20
	garbagePart = 8
	// stacksFew are the stacks of a hundred clients, of the goroutines that wait for their calls and of all else that runs then. With more, many
	// requests wait at the same time, and garbageOfStacks is how much more garbage there may be, as a multiple of the stacks beyond.
	stacksFew       = 6 << 20
	garbageOfStacks = 8
	// stacksKept is how much of their stacks is still counted an interval after they have ended: a thousand requests are answered
	// all at once, and whoever looks at that moment sees none.
	stacksKept = 0.75
	// collectionsFew and collectionsMany are how many collections an interval may bring without a change: above, there may
	// be more garbage; below, less.
	collectionsFew, collectionsMany = 2, 6
	// lastingIntervals in a row with more than a few collections are a load that lasts: from then on half as many collections
	// are few, and many.
	lastingIntervals = 15
	// governInterval is how often that is looked at.
	governInterval = time.Second
	// percentMin keeps a large heap from being collected without end: a quarter of it may always be garbage.
	percentMin = 25
	// percentDefault is the runtime's own. There may not be more on account of a burst, as etcd keeps to it too and has a smaller heap
	// then; percentMost is for a load that lasts, and for many requests at the same time, where garbageMax is the bound that counts.
	percentDefault = 100
	percentMost    = 400
)

// Govern decides how much garbage may lie on the heap, until ctx ends. The runtime's default is as much again as what
// lives there, whatever that is: a store whose buffers and caches are large, and hold nothing that a collection would
// have to follow, takes twice their size for that. Here it is an amount, and it follows how often the heap is collected: more where a
// load lasts, less in a lull. The more waits, the more it is: a thousand requests that wait for an event have stacks, all of whose calls a
// collection looks at.
//
// It does nothing where GOGC is set: then somebody has decided. GOMEMLIMIT goes on to hold.
func Govern(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	g := newGovernor(Limit())
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
			debug.SetGCPercent(percentDefault)
			return
		}
	}
}

// heap is what the runtime tells of it.
type heap struct {
	live        uint64 // bytes that the last collection found in use
	stacks      uint64 // bytes of stacks
	collections uint64 // since the process began
}

func readHeap() heap {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/automatic:gc-cycles"}, {Name: "/memory/classes/heap/stacks:bytes"},
	}
	metrics.Read(samples)
	return heap{live: samples[0].Value.Uint64(), collections: samples[1].Value.Uint64(), stacks: samples[2].Value.Uint64()}
}

// governor holds what Govern goes by.
type governor struct {
	max         uint64 // garbage
	garbage     uint64 // without that of stacks
	stacks      uint64 // the most of late
	collections uint64
	busy        int // intervals in a row with more than a few collections
}

func newGovernor(limit int64) *governor {
	return &governor{garbage: garbageMin, max: min(garbageMax, uint64(limit)/garbagePart)}
}

// step takes the heap after another interval and returns the percentage to collect at.
func (g *governor) step(h heap) int {
	g.follow(h.collections)
	g.stacks = max(h.stacks, uint64(float64(g.stacks)*stacksKept))
	garbage, most := g.garbage, uint64(percentDefault)
	if g.stacks > stacksFew {
		garbage += garbageOfStacks * (g.stacks - stacksFew)
		most = percentMost
	}
	if g.lasts() {
		most = percentMost
	}
	garbage = min(garbage, g.max)
	g.garbage = min(g.garbage, max(h.live*most/100, garbageMin)) // what is not allowed yet need not be given back later
	return int(min(max(garbage*100/max(h.live, 1), percentMin), most))
}

// follow has the garbage follow how often the heap was collected.
func (g *governor) follow(collections uint64) {
	since := collections - g.collections
	g.collections = collections
	few, many := uint64(collectionsFew), uint64(collectionsMany)
	if g.lasts() {
		few, many = few/2, many/2
	}
	if since < few {
		g.garbage, g.busy = max(g.garbage/2, garbageMin), 0
		return
	}
	g.busy++
	if since > many {
		g.garbage = min(g.garbage*since/many, g.max) // as much as it would have taken
	}
}

// lasts tells whether there is a load that lasts.
func (g *governor) lasts() bool { return g.busy >= lastingIntervals }

// near tells whether the difference between two percentages is not worth stopping the world for.
func near(a, b int) bool { return 10*max(a-b, b-a) <= a }
