package v3

import "github.com/quoratedb/quorate/pkg/budget"

// What watches may take that are open, of all streams together: each has a place in several lists and indexes, whether anything happens to its keys or
// not, and one stream may have any number.
const (
	// watchBytes is about what one takes, watchesPart the part of the process's memory that is for them. There may be watchesMin in any case, and
	// watchesMost where nothing bounds the memory.
	watchBytes, watchesPart, watchesMin, watchesMost = 2 << 10, 4, 1 << 15, 1 << 20
	// rangeCopies is how often a watch's range is in memory, here and in the watch service. Of most it is part of watchBytes.
	rangeCopies = 3
)

// placesOf is how many watches one takes as much memory as that has a range.
func placesOf(key, end []byte) int { return 1 + rangeCopies*(len(key)+len(end))/watchBytes }

// newOpenWatches are the places of the watches of all streams, which connections share.
func newOpenWatches() *budget.Shared {
	return budget.NewShared(min(max(watchesMin, budget.Memory()/watchesPart/watchBytes), watchesMost))
}
