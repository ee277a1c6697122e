package consensus

import (
	"time"

	"github.com/quoratedb/quorate/pkg/budget"
)

// Limits of a member, with the reason for each.
const (
	// feedBytesMax bounds the commits kept in memory for the feed's readers.
	feedBytesMax = budget.Feed
	// tailBytesMax is about how much the feed hands out at once.
	tailBytesMax = 1 << 20
	// historyBytesMax bounds one answer to History.
	historyBytesMax = 4 << 20
	// rangeChunkBytes is about how much one message of RangeStream holds.
	rangeChunkBytes = 1 << 20
	// snapshotBlobBytes bounds one message of Snapshot.
	snapshotBlobBytes = 64 << 10
	// tailHeartbeat is how often a silent feed tells its head.
	tailHeartbeat = time.Second
	// publishElections is for how many election timeouts a member waits until it proposes its name and URLs again.
	publishElections = 3
	// stuckTimeout is how long a store that has failed may take to stop.
	stuckTimeout = 3 * time.Second
	// housekeepingInterval is how often the log is truncated, and the quota and the room on disk are looked at.
	housekeepingInterval = 500 * time.Millisecond
	// seenWaitMax is how long a question for a member's status waits for what its caller has seen elsewhere: longer than a member
	// that serves is behind another, and little beside the five seconds that etcdctl waits for an answer.
	seenWaitMax = time.Second
	// defragmentAnswerMax is how long Defragment lets its caller wait: less than etcdctl waits for any answer.
	defragmentAnswerMax = 2 * time.Second
	// snapshotsMax bounds the files of Snapshot that are built and sent at a time, each as large as the state: others wait.
	snapshotsMax = 2
	// hashesMax bounds the states that are hashed for clients at a time, each of which reads the whole state: others wait.
	hashesMax = 2
	// snapshotRoomInterval is how often it is looked whether the disk has room for a file of Snapshot that grows.
	snapshotRoomInterval = 50 * time.Millisecond
	// logBytesKept is how many bytes of applied entries stay in the log for members that are behind: beyond that, the files of
	// the state are the shorter way. It also bounds what is read to verify the log, most of it once the member serves.
	logBytesKept = 256 << 20
	// logUnflushedBytes is how many bytes of entries may need to be replayed before the state is flushed for the log's sake:
	// commands that change nothing fill the log and no memtable.
	logUnflushedBytes = 64 << 20
	// applyTimeUnflushed is how long what would have to be replayed may have taken to apply until the state is flushed: a start takes as long
	// again. Transactions that compare much and change nothing fill neither memtable nor log.
	applyTimeUnflushed = 10 * time.Second
	// logEntriesKeptMin is the least number of applied entries that stay in the log of a member that has peers, for
	// those that are a little behind.
	logEntriesKeptMin = 100
)
