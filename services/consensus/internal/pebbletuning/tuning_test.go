package pebbletuning

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/budget"
)

// Goal: Pebble accepts both tunings, and only the log has a write-ahead file: it alone is synced for a write. Method: Pebble's own check.
func TestTuningIsAccepted(t *testing.T) {
	log, state := Log(), State(64<<20, 1000)
	require.False(t, log.DisableWAL)
	require.True(t, state.DisableWAL)
	for _, o := range []*pebble.Options{log, state} {
		o.EnsureDefaults()
		require.NoError(t, o.Validate())
	}
}

// Goal: small memtables do not cost a third of the processor in compactions: what was flushed is rewritten a few times, not with each
// flush or two that come after it. Method: memtables of values under random keys, each flushed and compacted before the next; what compactions
// wrote is compared with what flushes did.
func TestCompactionsRewriteLittle(t *testing.T) {
	const memTables, valueBytes, rewrittenMost = 16, 8192, 3
	o := State(budget.StateWrites, 1000)
	o.FS = vfs.NewMem()
	db, err := pebble.Open("state", o)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	random := rand.NewChaCha8([32]byte{1})
	for range memTables {
		writeMemTable(t, db, random, valueBytes)
		require.NoError(t, db.Flush())
		require.Eventually(t, func() bool { return db.Metrics().Compact.NumInProgress == 0 }, time.Minute, time.Millisecond)
	}
	var flushed, compacted uint64
	for _, level := range db.Metrics().Levels {
		flushed += level.TableBytesFlushed
		compacted += level.TableBytesCompacted
	}
	require.Less(t, float64(compacted)/float64(flushed), float64(rewrittenMost))
}

// writeMemTable writes as much as a memtable holds.
func writeMemTable(t *testing.T, db *pebble.DB, random *rand.ChaCha8, valueBytes int) {
	key, value := make([]byte, 9), make([]byte, valueBytes) // the last byte is the length of a version, which there is none of
	for range budget.StateWrites * 3 / 4 / valueBytes {
		binary.BigEndian.PutUint64(key, random.Uint64())
		_, err := random.Read(value)
		require.NoError(t, err)
		require.NoError(t, db.Set(key, value, pebble.NoSync))
	}
}

// Goal: the end of leases does not have each flush rewritten at once, and what is nearly all deletions is tidied up. Method: three memtables of rows, then
// one with deletions of a third of them beside as many other rows; no compaction is made on account of deletions. Then one of deletions alone: one is.
func TestDeletionsAmongRowsWaitForTheirTurn(t *testing.T) {
	const rows = 6000
	o := State(budget.StateWrites, 1000)
	o.FS = vfs.NewMem()
	db, err := pebble.Open("state", o)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	key := func(space byte, n int) []byte {
		return append(binary.BigEndian.AppendUint64([]byte{space}, uint64(n)), 0)
	}
	random, value := rand.NewChaCha8([32]byte{1}), make([]byte, 8)
	set := func(space byte, from, to int) {
		for n := from; n < to; n++ {
			_, err := random.Read(value)
			require.NoError(t, err)
			require.NoError(t, db.Set(key(space, n), value, pebble.NoSync))
		}
	}
	remove := func(from, to int) {
		for n := from; n < to; n++ {
			require.NoError(t, db.Delete(key('k', n), pebble.NoSync))
		}
	}
	settle := func() {
		require.NoError(t, db.Flush())
		require.Eventually(t, func() bool {
			m := db.Metrics()
			return m.Table.PendingStatsCollectionCount == 0 && m.Compact.NumInProgress == 0
		}, time.Minute, time.Millisecond)
	}
	set('k', 0, 4*rows)
	require.NoError(t, db.Compact(t.Context(), []byte{'k', 0}, []byte{'l', 0}, false))
	remove(0, rows)
	set('v', 0, rows)
	settle()
	set('w', 0, 1) // whatever is flushed has Pebble look for something to compact
	settle()
	require.Zero(t, db.Metrics().Compact.TombstoneDensityCount)
	remove(rows, 4*rows)
	settle()
	require.Eventually(t, func() bool { return db.Metrics().Compact.TombstoneDensityCount > 0 }, time.Minute, time.Millisecond)
}
