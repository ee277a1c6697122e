package pebbletuning

import (
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/cockroachkvs"
	"github.com/cockroachdb/pebble/v2/sstable"
)

const (
	// stateFilterBitsPerKey makes one lookup in a hundred read a block in vain.
	stateFilterBitsPerKey = 10
	// stateBlockBytes is larger than Pebble's 4 KiB: ranges are read more often than cold single keys, and it compresses better.
	stateBlockBytes      = 16 << 10
	stateIndexBlockBytes = 32 << 10
	// stateMemTablesMax bounds the memtables that wait for the disk before writers do.
	stateMemTablesMax = 4
	// stateL0StopWrites is far above where compaction starts, so that a burst does not stop writers.
	stateL0StopWrites = 24
	// stateL0SublevelsMax is twice the flushes that a compaction takes in, since Pebble begins at half of it. Memtables are
	// small, and fewer flushes at a time have the level below rewritten too often; with more, reads merge more tables.
	stateL0SublevelsMax = 8
	// stateBaseCompactions is how many such compactions fill the first level below L0. Where keys come in no order each rewrites
	// that level whole, so that it must not be many times what comes in.
	stateBaseCompactions = 2
	stateCompactionsMax  = 2
	// stateDeletedBlocks is which part of a table's blocks must hold deletions and hardly anything else for it to be compacted on that account.
	// Where leases end, with a key each, that is so of a third of what is flushed, and Pebble's tenth has every flush rewritten at
	// once with all that it overlaps. What removes old versions flushes little beside deletions, and is still tidied up soon.
	stateDeletedBlocks = 0.5
)

// State tunes Pebble for the state: keys with many versions, read in ranges. The WAL is off: the raft log is one already, and
// it is truncated only below what is flushed here. Values stay with their keys, as Pebble calls separating them experimental. Blocks are compressed by what is
// fastest: zstd at the bottom, as Pebble advises, would take several times as long. What is of an older format is read as it is.
// The memtable, whose limit is stateMemTablesMax of memTableBytes, and the tables that are open are as the member's memory and
// descriptors allow.
func State(memTableBytes uint64, openFilesMax int) *pebble.Options {
	o := &pebble.Options{
		Comparer:                    &cockroachkvs.Comparer,
		KeySchema:                   cockroachkvs.KeySchema.Name,
		KeySchemas:                  sstable.MakeKeySchemas(&cockroachkvs.KeySchema),
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		DisableWAL:                  true,
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: stateMemTablesMax,
		L0CompactionThreshold:       stateL0SublevelsMax,
		L0StopWritesThreshold:       stateL0StopWrites,
		LBaseMaxBytes:               stateBaseCompactions * stateL0SublevelsMax / 2 * int64(memTableBytes),
		MaxOpenFiles:                openFilesMax,
		CompactionConcurrencyRange:  func() (int, int) { return 1, stateCompactionsMax },
	}
	o.Experimental.EnableValueBlocks = func() bool { return true }
	o.Experimental.TombstoneDenseCompactionThreshold = stateDeletedBlocks
	for i := range o.Levels {
		o.Levels[i].BlockSize = stateBlockBytes
		o.Levels[i].IndexBlockSize = stateIndexBlockBytes
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(stateFilterBitsPerKey)
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	return o
}
