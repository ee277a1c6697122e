package mvcc

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/budget"
)

// Goal: the block cache has the size that the state needs, and one that was asked for stays. Method: fit it to states of
// several sizes, up and down.
func TestBlockCacheGrowsWithTheState(t *testing.T) {
	c := newBlockCache(0)
	defer c.Unref()
	require.EqualValues(t, budget.StateBlocksMin, c.size)
	c.fit(budget.StateBlocksPart * (64 << 20))
	require.EqualValues(t, 64<<20, c.size)
	c.fit(budget.StateBlocksPart * (65 << 20))
	require.EqualValues(t, 64<<20, c.size, "a small change evicts nothing")
	c.fit(1 << 40)
	require.EqualValues(t, budget.StateBlocksMax, c.size)
	require.Nil(t, c.giveBack)
	c.fit(0)
	require.EqualValues(t, budget.StateBlocksMin, c.size)

	fixed := newBlockCache(1 << 20)
	defer fixed.Unref()
	fixed.fit(1 << 40)
	require.EqualValues(t, 1<<20, fixed.size)
}

// Goal: a store that is discarded, as each that another member's state replaces, leaves no cache behind. Method: nobody holds
// the cache then, which it says by a panic when it is let go of once more.
func TestDiscardedStoreLetsItsCacheGo(t *testing.T) {
	s, err := Open(Config{Dir: "state", FS: vfs.NewMem()})
	require.NoError(t, err)
	require.NoError(t, s.Discard())
	require.Panics(t, s.cache.Unref)
}
