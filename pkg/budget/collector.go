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
	// stacksKept is how much of their stacks is still counted a look after they have ended: a thousand requests are answered all at
	// once, and whoever looks at that moment sees none.
	stacksKept = 0.93
	// collectionsFew and collectionsMany are how many collections an interval may bring without a change: above, there may
	// be more garbage; below, less.
	collectionsFew, collectionsMany = 2, 6
	// lastingIntervals in a row with more than a few collections are a load that lasts: from then on half as many collections
	// are few, and many.
	lastingIntervals = 15
	// governInterval is how often that is looked at. A sudden load is seen sooner: an interval has so many looks.
	governInterval = time.Second
	looks          = 4
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
	ticker := time.NewTicker(governInterval / looks)
	defer ticker.Stop()
	for percent := 0; ; {
		if next := g.look(readHeap()); !near(percent, next) {
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
	allocated   uint64 // bytes since then
}

func readHeap() heap {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/cycles/automatic:gc-cycles"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(samples)
	return heap{
		live: samples[0].Value.Uint64(), collections: samples[1].Value.Uint64(), stacks: samples[2].Value.Uint64(), allocated: samples[3].Value.Uint64(),
	}
}

// governor holds what Govern goes by.
type governor struct {
	max         uint64 // garbage
	garbage     uint64 // without that of stacks
	stacks      uint64 // the most of late
	looked      int    // in this interval
	last, begun heap   // at the last look, and when the interval began
	busy        int    // intervals in a row with more than a few collections
}

func newGovernor(limit int64) *governor {
	return &governor{garbage: garbageMin, max: min(garbageMax, uint64(limit)/garbagePart)}
}

// look takes the heap as it is now and returns the percentage to collect at.
func (g *governor) look(h heap) int {
	if g.looked++; g.looked == looks {
		g.follow(h.collections - g.begun.collections)
		g.looked, g.begun = 0, h
	}
	g.rise(h.collections-g.last.collections, h.allocated-g.last.allocated)
	g.last = h
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

// follow has the garbage become less where an interval brought few collections, and tells a load that lasts from one that does not.
func (g *governor) follow(since uint64) {
	few, _ := g.bounds()
	if since < few {
		g.garbage, g.busy = max(g.garbage/2, garbageMin), 0
		return
	}
	g.busy++
}

// rise has the garbage become as much as it would have taken to be collected no more often than it may, where a look finds that it was. What was allocated
// tells how much: what was allowed until then may have been more than garbage, as with the runtime's own share of a heap that has just grown.
func (g *governor) rise(since, allocated uint64) {
	if _, many := g.bounds(); since*looks > many {
		g.garbage = min(max(g.garbage, allocated*looks/many), g.max)
	}
}

// bounds are how many collections of an interval are few, and many.
func (g *governor) bounds() (few, many uint64) {
	if g.lasts() {
		return collectionsFew / 2, collectionsMany / 2
	}
	return collectionsFew, collectionsMany
}

// lasts tells whether there is a load that lasts.
func (g *governor) lasts() bool { return g.busy >= lastingIntervals }

// near tells whether the difference between two percentages is not worth stopping the world for.
func near(a, b int) bool { return 10*max(a-b, b-a) <= a }
