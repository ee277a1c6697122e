package mvcc

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// Goal: what is remembered of fresh keys is bounded where the same few are written for ever ("memory grows with the
// number of writes"). Method: a store with small memtables that flush by themselves, and enough writes of known keys for
// many generations.
func TestFreshIsBoundedWhereNothingIsLookedUp(t *testing.T) {
	s, err := Open(Options{Dir: "state", FS: vfs.NewMem(), MemTableBytes: 256 << 10})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	const keys, generations = 2000, 9
	var most int
	for range generations * generationKeysMax / keys {
		batch := s.Begin()
		for i := range keys {
			_, _, err := batch.Apply(leasedCommand(fmt.Sprintf("key%d", i), 0))
			require.NoError(t, err)
		}
		require.NoError(t, batch.Commit())
		most = max(most, len(batch.fresh.generations))
	}
	require.LessOrEqual(t, most, generationsUnsettledMax+3)
}
