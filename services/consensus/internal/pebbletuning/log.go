package pebbletuning

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/quoratedb/quorate/pkg/budget"
)

const (
	// logMemTableBytes is Pebble's memtable and, with it, the size of a write-ahead file. Truncation usually comes before
	// one fills, so that most entries are never written a second time: the state flushes twice as often. What is reserved on
	// disk is twice to four times as much.
	logMemTableBytes = budget.LogWrites
	// logMemTablesMax bounds the memtables that wait for a flush; one more write-ahead file than this is kept for reuse.
	logMemTablesMax = 3
	// logTableBytes is the target size of a flushed table: small against a memtable, so that most tables hold entries
	// alone and one range deletion drops them whole.
	logTableBytes = 8 << 20
	// logL0SublevelsMax is how many overlapping flushes wait before they are compacted. Reads from tables are rare here
	// (a lagging follower, a restart), and what waits is usually truncated before its turn.
	logL0SublevelsMax = 12
	// logL0StopWrites is where Pebble holds writes back because compaction lost the race.
	logL0StopWrites = 64
	// WriteAheadBytes is how long the log's write-ahead files get, if no batch is longer than what is left of one.
	WriteAheadBytes = logMemTableBytes
	// LogCacheBytes is the block cache that goes with Log. It is small, because the log's tail serves nearly all reads.
	LogCacheBytes = budget.LogBlocks
)

// Log tunes Pebble for a log: written once in order, read back from memory, deleted in order from the front.
// The write-ahead files are preallocated and reused (Pebble's default), which spares the filesystem a change of
// metadata with each sync. Nothing delays a sync to gather more: batches are gathered before they get here.
func Log() *pebble.Options {
	o := &pebble.Options{
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                logMemTableBytes,
		MemTableStopWritesThreshold: logMemTablesMax,
		L0CompactionThreshold:       logL0SublevelsMax,
		L0StopWritesThreshold:       logL0StopWrites,
		FlushSplitBytes:             logTableBytes,
	}
	o.TargetFileSizes[0] = logTableBytes
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	return o
}
