package mvcc

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/quoratedb/quorate/pkg/budget"
)

const (
	// cacheStep keeps small changes of the state from evicting anything, and is in what steps reads have the cache grow.
	cacheStep = 4 << 20
	// cacheReadsInterval is how often what was read is compared with the size.
	cacheReadsInterval = time.Minute
)

// blockCache is the cache of blocks read from disk. Pebble takes the memtables out of it.
//
// What it is to keep at hand at the least, upper levels and filters, grows with the state. Beyond that it grows while it is full, by
// as much as reads of clients had to fetch from disk: what is listed again and again is fetched and decompressed once. It gives
// half of that back after each interval in which clients read less than it holds. What reads all there is, once and at its own
// pace, such as a snapshot, does not count.
type blockCache struct {
	*pebble.Cache
	// fixed is set where the size was asked for, max what it never exceeds.
	fixed bool
	max   int64
	// held is how much it holds.
	held func() int64
	// flushes is how many flushes there had been when the state was last measured. It is the committing goroutine's.
	flushes uint64
	// read is how much clients have read since the last interval began, missed how much of what they read was not there since the
	// cache last grew.
	read, missed atomic.Int64

	mu struct {
		sync.Mutex
		size int64
		// least is for the state, grown what reads have added.
		least, grown int64
		// giveBack ends the reservation that keeps the cache below max, nil if there is none.
		giveBack func()
		// interval runs while grown is not 0.
		interval *time.Timer
		closed   bool
	}
}

// newBlockCache makes a cache of a size, and one that grows for 0.
func newBlockCache(bytes int64) *blockCache {
	c := &blockCache{fixed: bytes > 0, max: bytes}
	if !c.fixed {
		c.max = max(min(budget.StateBlocksMax, budget.Limit()/budget.StateBlocksShare), budget.StateBlocksMin)
	}
	c.Cache = pebble.NewCache(c.max)
	c.held = c.Size
	c.mu.size = c.max
	c.fit(0)
	return c
}

// fit gives the cache the size that a state of so many bytes on disk needs.
func (c *blockCache) fit(state int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.least = max(state/budget.StateBlocksPart, budget.StateBlocksMin)
	c.resizeLocked()
}

func (c *blockCache) resizeLocked() {
	size := min(c.mu.least+c.mu.grown, c.max)
	if c.fixed || c.mu.closed || max(size-c.mu.size, c.mu.size-size) < cacheStep {
		return
	}
	if c.mu.giveBack != nil {
		c.mu.giveBack()
		c.mu.giveBack = nil
	}
	if rest := c.max - size; rest > 0 {
		c.mu.giveBack = c.Reserve(int(rest))
	}
	c.mu.size = size
}

// note takes what an iterator has read for a client.
func (c *blockCache) note(stats pebble.IteratorStats) {
	blocks := stats.InternalStats.BlockBytes
	if blocks == 0 || c.fixed {
		return
	}
	// Blocks are counted as they are on disk, and what is in them as it is in memory.
	bytes := max(blocks, stats.InternalStats.KeyBytes+stats.InternalStats.ValueBytes)
	c.read.Add(int64(bytes))
	missing := float64(blocks-stats.InternalStats.BlockBytesInCache) / float64(blocks)
	if missing > 0 && c.missed.Add(int64(missing*float64(bytes))) >= cacheStep {
		c.grow()
	}
}

// grow adds what was missed, if there was no room for it: its parts do not fill evenly, and the memtables are in it.
func (c *blockCache) grow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	missed := c.missed.Swap(0)
	if c.mu.closed || c.mu.size == c.max || c.held() < c.mu.size/2 {
		return
	}
	c.mu.grown = min(c.mu.grown+missed, c.max-c.mu.least)
	c.resizeLocked()
	if c.mu.interval == nil {
		c.read.Store(0)
		c.mu.interval = time.AfterFunc(cacheReadsInterval, c.settle)
	}
}

// settle ends an interval.
func (c *blockCache) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return
	}
	if c.read.Swap(0) < c.mu.size {
		c.mu.grown /= 2
	}
	if c.mu.grown < cacheStep {
		c.mu.grown = 0
		c.mu.interval = nil
	} else {
		c.mu.interval.Reset(cacheReadsInterval)
	}
	c.resizeLocked()
}

// close lets the cache go, as far as its maker holds it.
func (c *blockCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.closed = true
	if c.mu.interval != nil {
		c.mu.interval.Stop()
	}
	c.Unref()
}
