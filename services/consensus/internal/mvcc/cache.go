package mvcc

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/quoratedb/quorate/pkg/budget"
)

// blockCache is the cache of blocks read from disk. It grows with the state, since what it is to keep at hand, upper
// levels and filters, does; Pebble takes the memtables out of it. Only the goroutine that commits resizes it.
type blockCache struct {
	*pebble.Cache
	// fixed is set where the size was asked for.
	fixed bool
	size  int64
	// giveBack ends the reservation that keeps the cache below StateBlocksMax, nil if there is none.
	giveBack func()
	// flushes is how many flushes there had been when the state was last measured.
	flushes uint64
}

// cacheStep keeps small changes of the state from evicting anything.
const cacheStep = 4 << 20

// newBlockCache makes a cache of a size, and one that grows for 0.
func newBlockCache(bytes int64) *blockCache {
	if bytes > 0 {
		return &blockCache{Cache: pebble.NewCache(bytes), fixed: true, size: bytes}
	}
	c := &blockCache{Cache: pebble.NewCache(budget.StateBlocksMax), size: budget.StateBlocksMax}
	c.fit(0)
	return c
}

// fit gives the cache the size that a state of so many bytes on disk needs.
func (c *blockCache) fit(state int64) {
	size := min(max(state/budget.StateBlocksPart, budget.StateBlocksMin), budget.StateBlocksMax)
	if c.fixed || max(size-c.size, c.size-size) < cacheStep {
		return
	}
	if c.giveBack != nil {
		c.giveBack()
		c.giveBack = nil
	}
	if rest := budget.StateBlocksMax - size; rest > 0 {
		c.giveBack = c.Reserve(int(rest))
	}
	c.size = size
}
