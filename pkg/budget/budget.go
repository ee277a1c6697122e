package budget

// What the parts of a process hold at the most, in bytes. Without cgo all of it is on Go's heap, where as much again as
// Govern allows lies beside it as garbage. A member of a small store takes no more than etcd does (make bench
// CASES=memory): whoever raises a figure measures that.
const (
	// LogTail is the entries behind the end of the raft log: each is read again soon after it was appended, once to apply
	// it and once for each follower.
	LogTail = 8 << 20
	// LogWrites is a memtable of the raft log, and the size of its write-ahead files. The log is truncated each time that
	// the state was flushed, so with half of this StateWrites most entries never reach a table.
	LogWrites = 4 << 20
	// LogBlocks caches the log's tables. They are read after a restart and for members that are far behind.
	LogBlocks = 4 << 20
	// StateWrites is a memtable of the state. After a crash the log is replayed from the last one that was flushed. How many are
	// compacted at a time, and into how large a level, goes by it (services/consensus/internal/pebbletuning).
	StateWrites = 2 << 20
	// StateBlocksMin and StateBlocksMax bound the cache of the state's blocks; between them it is one part in
	// StateBlocksPart of the state, so that a small store takes little and a large one keeps its upper levels and filters, and
	// what clients read again and again. Where the process has a limit it is at the most one part in StateBlocksShare of that.
	StateBlocksMin   = 16 << 20
	StateBlocksMax   = 128 << 20
	StateBlocksPart  = 16
	StateBlocksShare = 8
	// StateRecent is the newest versions of the keys written last.
	StateRecent = 4 << 20
	// StateLeaseKeys is which keys leases have that have one or none.
	StateLeaseKeys = 8 << 20
	// Feed is the newest commits, for whoever tails them; who is further behind reads history.
	Feed = 4 << 20
	// WatchRing is the newest commits of a watch node, and WatchRecent the newest deliveries of an API node that runs apart:
	// watches that fell behind catch up from there first.
	WatchRing   = 4 << 20
	WatchRecent = 16 << 20
	// WatchReads is what such an API node has read of the past of late, for others that are behind alike: encoded, and what of it
	// was looked into takes as much again.
	WatchReads = 16 << 20
	// SnapshotSort is what is sorted in memory while a snapshot is built, before it goes to disk as a run.
	SnapshotSort = 8 << 20
	// SnapshotWrites is a transaction of the file that is built: bbolt holds the pages of one in memory.
	SnapshotWrites = 2 << 20
)
