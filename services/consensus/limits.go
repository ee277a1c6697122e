package consensus

import (
	"time"

	"github.com/quoratedb/quorate/pkg/budget"
)

// Limits of a member, with the reason for each.
const (
	// proposalsWaitingMax bounds the commands that wait to be put into a log entry.
	proposalsWaitingMax = 16384
	// proposalBytesMax bounds what the waiting commands hold together, from their call to their answer. They are held twice, by
	// their callers and encoded, so that they take no more than a quarter of the memory that the process may take.
	proposalBytesMax = 512 << 20
	// proposalsPart is which part of the memory that the process may take bounds them too.
	proposalsPart = 8
	// applyLagMax is how many entries may be committed and not applied before new commands are refused, as in etcd: a state
	// that does not keep up must not be given more to do.
	applyLagMax = 5000
	// uncommittedBytesMax bounds the payload of the entries in the leader's log that are not applied. Beyond it the leader's
	// commands wait in line, where they are bounded and can be forgotten, and raft drops what followers pass on. It is twice
	// what a follower may be sent ahead of its answers.
	uncommittedBytesMax = 128 << 20
	// entryBytesMax ends the batch that goes into one log entry, so that a follower never has to take a huge message.
	// A command larger than this travels alone.
	entryBytesMax = 1 << 20
	// entryCommandsMax ends the batch as well: the commands of an entry are answered together.
	entryCommandsMax = 4096
	// appendBytesMax ends what is written to the log with one sync, of one entry or of many: large commands share syncs, and
	// none waits for more than this behind its own.
	appendBytesMax = 8 << 20
	// forwardsInFlightMax is how many batches a follower has under way to the leader before others gather behind them.
	forwardsInFlightMax = 4
	// appendsInFlightMax is how many log appends may be queued before proposals wait and are batched. One being
	// synced and none behind it makes batches as large as the disk is slow.
	appendsInFlightMax = 1
	// commitKeptMax is how long a commit index waits for entries to be written to the log with. After a lull of twice that a
	// process that is killed has it on disk.
	commitKeptMax = 100 * time.Millisecond
	// messageBytesMax, inflightMessagesMax and inflightBytesMax bound what raft sends to one follower ahead of its
	// answers, and with it what waits in that follower's inbox. The transport has room for more than that.
	messageBytesMax     = 1 << 20
	inflightMessagesMax = 256
	inflightBytesMax    = 64 << 20
	// applyingBytesMax bounds the committed entries that are handed to the applier and not yet applied.
	applyingBytesMax = 64 << 20
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
	// handOverTries is among how many voters an election timeout is shared when leadership is handed over: to take it is two
	// rounds of messages and a sync.
	handOverTries = 3
	// applierStallElections is for how many election timeouts a leader may apply nothing of what waits to be: longer than any
	// command takes that is not stuck, as the others would take as long for it.
	applierStallElections = 5
	// stuckTimeout is how long a store that has failed may take to stop.
	stuckTimeout = 3 * time.Second
	// housekeepingInterval is how often the log is truncated, and the quota and the room on disk are looked at.
	housekeepingInterval = 500 * time.Millisecond
	// defragmentAnswerMax is how long Defragment lets its caller wait: less than etcdctl waits for any answer.
	defragmentAnswerMax = 2 * time.Second
	// readSpacing is how long a question for a read index holds back the next one, unless it is answered before: longer
	// than a round trip between members that are near each other and have much to do, short against one over a distance.
	readSpacing = 5 * time.Millisecond
	// readRetryTicks is after how many ticks an unanswered read index is asked again: raft drops it in silence when
	// there is no leader.
	readRetryTicks = 3
	// learnersMax bounds how many members may be fed by the leader without helping it. etcd allows one.
	learnersMax = 16
	// removedIDsMax bounds the ids of removed members that are remembered, to refuse them by name; all members forget the
	// same one. Ids are random, so that a forgotten one is an unknown one, which is refused as well.
	removedIDsMax = 1000
	// snapshotsMax bounds the files of Snapshot that are built and sent at a time, each as large as the state: others wait.
	snapshotsMax = 2
	// snapshotRoomInterval is how often it is looked whether the disk has room for a file of Snapshot that grows.
	snapshotRoomInterval = 50 * time.Millisecond
	// healthyAfter is how long a member must have been reachable to count as connected, as with etcd.
	healthyAfter = 5 * time.Second
	// auditInterval is how often members compare digests, auditTimeout how long a member may take to tell its own.
	auditInterval = 2 * time.Second
	auditTimeout  = time.Second
	// disputeMax is how long members that differ wait for those that are away to decide between them: longer than a
	// restart takes.
	disputeMax = 30 * time.Second
	// initialCheckMax is how long a member that starts waits for its first comparison and the reading of its state,
	// initialCheckTries how often it tries to compare meanwhile. It takes half a second to read some hundred megabytes.
	initialCheckMax   = 500 * time.Millisecond
	initialCheckTries = 5
	// verifyBytesPerSecond is the pace of reading a state to check it, some percent of what a disk and a processor can
	// do; verifyTime is how long that may take, for states that are so large that it would be longer.
	verifyBytesPerSecond = 32 << 20
	verifyTime           = time.Hour
	// logBytesKept is how many bytes of applied entries stay in the log for members that are behind: beyond that, the files of
	// the state are the shorter way. It also bounds what is read to verify the log, most of it once the member serves.
	logBytesKept = 256 << 20
	// logUnflushedBytes is how many bytes of entries may need to be replayed before the state is flushed for the log's sake:
	// commands that change nothing fill the log and no memtable.
	logUnflushedBytes = 64 << 20
	// logEntriesKeptMin is the least number of applied entries that stay in the log of a member that has peers, for
	// those that are a little behind.
	logEntriesKeptMin = 100
)
