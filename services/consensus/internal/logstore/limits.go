package logstore

import "github.com/quoratedb/quorate/pkg/budget"

const (
	// TailBytesMax bounds the entries kept in memory behind the end of the log. Raft re-reads each entry once to apply
	// it and once for each follower, soon after it was appended.
	TailBytesMax = budget.LogTail
	// entryOverheadBytes is what an entry costs in the tail beside its payload.
	entryOverheadBytes = 96
	// sizeMarkBytes is how exactly the log knows where its bytes are.
	sizeMarkBytes = 1 << 20
	// memTableBytes is Pebble's memtable and, with it, the size of a write-ahead file. Truncation usually comes before
	// one fills, so that most entries are never written a second time: the state flushes twice as often. What is reserved on
	// disk is twice to four times as much.
	memTableBytes = budget.LogWrites
	// memTablesMax bounds the memtables that wait for a flush; one more write-ahead file than this is kept for reuse.
	memTablesMax = 3
	// tableBytes is the target size of a flushed table: small against a memtable, so that most tables hold entries
	// alone and one range deletion drops them whole.
	tableBytes = 8 << 20
	// l0SublevelsMax is how many overlapping flushes wait before they are compacted. Reads from tables are rare here
	// (a lagging follower, a restart), and what waits is usually truncated before its turn.
	l0SublevelsMax = 12
	// l0StopWrites is where Pebble holds writes back because compaction lost the race.
	l0StopWrites = 64
	// blockCacheBytes is small, because the tail serves nearly all reads.
	blockCacheBytes = budget.LogBlocks
)
