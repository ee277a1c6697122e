package mvcc

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// Goal: what is remembered of fresh keys is forgotten also where only known keys are written, so that no look-up notices
// what the disk has ("memory grows with the number of writes"). Method: generations of one key, a flush, and one more
// write of it.
func TestFreshIsSettledWhereNothingIsLookedUp(t *testing.T) {
	s, err := Open(Config{Dir: "state", FS: vfs.NewMem()})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	write := func() {
		batch := begin(s)
		_, _, err := batch.Apply(leasedCommand("key", 0))
		require.NoError(t, err)
		require.NoError(t, batch.Commit())
	}
	write()
	batch := s.batch
	for range 2 * generationsUnsettledMax * generationKeysMax {
		batch.fresh.add([]byte("key"), s.Revision())
	}
	require.Greater(t, len(batch.fresh.generations), generationsUnsettledMax)
	require.NoError(t, s.Flush())
	write()
	require.LessOrEqual(t, len(batch.fresh.generations), 2)
}
