package v3

import (
	"sync/atomic"

	"github.com/quoratedb/quorate/pkg/budget"
)

// What watches may take that are open, of all streams together: each has a place in several lists and indexes, whether anything happens to its keys or
// not, and one stream may have any number.
const (
	// watchBytes is about what one takes, watchesPart the part of the process's memory that is for them. There may be watchesMin in any case, and
	// watchesMost where nothing bounds the memory.
	watchBytes, watchesPart, watchesMin, watchesMost = 2 << 10, 4, 1 << 15, 1 << 20
)

// openWatches counts the watches of all streams. Streams that create them at the same time may go beyond the bound by one each.
type openWatches struct {
	count atomic.Int64
	max   int64
}

func newOpenWatches() *openWatches {
	return &openWatches{max: min(max(watchesMin, budget.Memory()/watchesPart/watchBytes), watchesMost)}
}

func (o *openWatches) add(n int) { o.count.Add(int64(n)) }

// full tells whether there are as many as there may be.
func (o *openWatches) full() bool { return o.count.Load() >= o.max }
