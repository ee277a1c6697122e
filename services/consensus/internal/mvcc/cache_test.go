package mvcc

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/budget"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: the block cache has the size that the state needs, and one that was asked for stays. Method: fit it to states of
// several sizes, up and down.
func TestBlockCacheGrowsWithTheState(t *testing.T) {
	c := newBlockCache(0)
	defer c.close()
	require.EqualValues(t, budget.StateBlocksMin, c.mu.size)
	c.fit(budget.StateBlocksPart * (64 << 20))
	require.EqualValues(t, 64<<20, c.mu.size)
	c.fit(budget.StateBlocksPart * (65 << 20))
	require.EqualValues(t, 64<<20, c.mu.size, "a small change evicts nothing")
	c.fit(1 << 40)
	require.EqualValues(t, budget.StateBlocksMax, c.mu.size)
	require.Nil(t, c.mu.giveBack)
	c.fit(0)
	require.EqualValues(t, budget.StateBlocksMin, c.mu.size)

	fixed := newBlockCache(1 << 20)
	defer fixed.close()
	fixed.fit(1 << 40)
	require.EqualValues(t, 1<<20, fixed.mu.size)
}

// Goal: what clients read again and again is read from disk once, where it is more than the cache holds at first. Method: a
// state of half as much again, in tables, is listed in pages; from the third time on hardly a block is missing.
func TestWhatIsListedAgainIsReadOnce(t *testing.T) {
	const valueBytes, page = 64 << 10, 50
	const keys = 3 * budget.StateBlocksMin / 2 / valueBytes
	s := openMem(t, vfs.NewMem())
	value := make([]byte, valueBytes)
	_, err := rand.NewChaCha8([32]byte{1}).Read(value)
	require.NoError(t, err)
	for i := range keys {
		b := begin(s)
		_, _, err = b.Apply(putCommand(fmt.Sprintf("key/%06d", i), string(value)))
		require.NoError(t, err)
		require.NoError(t, b.Commit())
	}
	require.NoError(t, s.Defragment(t.Context()))
	list := func() (misses int64) {
		before := s.db.Metrics().BlockCache.Misses
		seen, op := 0, &consensusv1.RangeOp{Key: []byte("key/"), RangeEnd: []byte("key0"), Limit: page}
		for more := true; more; {
			res, _, err := s.Range(t.Context(), op)
			require.NoError(t, err)
			seen, more = seen+len(res.GetKvs()), res.GetMore()
			op.Key = append(res.GetKvs()[len(res.GetKvs())-1].GetKey(), 0)
		}
		require.Equal(t, keys, seen)
		return s.db.Metrics().BlockCache.Misses - before
	}
	require.GreaterOrEqual(t, list(), int64(keys), "nothing was there, and a value has a block of its own")
	list()
	require.Less(t, list(), int64(keys/10))
}

// Goal: the cache grows by what clients miss only while it is full, never beyond its most, and gives back what they do not read. Method:
// reads are noted of an empty cache and of a full one; intervals pass with reads and without.
func TestBlockCacheGrowsWithReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newBlockCache(0)
		defer c.close()
		held := int64(0)
		c.held = func() int64 { return held }
		read := func(bytes, cached uint64) {
			var stats pebble.IteratorStats
			stats.InternalStats.BlockBytes, stats.InternalStats.BlockBytesInCache = bytes, cached
			c.note(stats)
		}
		size := func() int64 {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.mu.size
		}
		read(cacheStep, 0)
		require.EqualValues(t, budget.StateBlocksMin, size(), "there was room")

		held = budget.StateBlocksMin
		read(cacheStep/2, 0)
		require.EqualValues(t, budget.StateBlocksMin, size())
		read(cacheStep, cacheStep/2)
		require.EqualValues(t, budget.StateBlocksMin+cacheStep, size())
		for range 2 * budget.StateBlocksMax / cacheStep {
			held = size() / 2 // memtables and parts that are not full take the rest
			read(cacheStep, 0)
		}
		require.EqualValues(t, budget.StateBlocksMax, size())

		for range 3 {
			read(budget.StateBlocksMax, budget.StateBlocksMax)
			<-time.After(cacheReadsInterval)
			synctest.Wait()
		}
		require.EqualValues(t, budget.StateBlocksMax, size(), "all of it is read")
		<-time.After(cacheReadsInterval)
		synctest.Wait()
		require.EqualValues(t, budget.StateBlocksMin+(budget.StateBlocksMax-budget.StateBlocksMin)/2, size())
		<-time.After(10 * cacheReadsInterval)
		synctest.Wait()
		require.EqualValues(t, budget.StateBlocksMin, size())
	})
}

// Goal: a store that is discarded, as each that another member's state replaces, leaves no cache behind. Method: nobody holds
// the cache then, which it says by a panic when it is let go of once more.
func TestDiscardedStoreLetsItsCacheGo(t *testing.T) {
	s, err := Open(Config{Dir: "state", FS: vfs.NewMem()})
	require.NoError(t, err)
	require.NoError(t, s.Discard())
	require.Panics(t, s.cache.Unref)
}
