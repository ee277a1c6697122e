package replication

import "time"

// Limits, with the reason for each.
const (
	// proposalsWaitingMax bounds the commands that wait to be put into a log entry.
	proposalsWaitingMax = 16384
	// proposalBytesMax bounds what the waiting commands hold together, from their call to their answer. They are held twice, by
	// their callers and encoded, so that they take no more than a quarter of the memory that the process may take.
	proposalBytesMax = 512 << 20
	// proposalsPart is which part of the memory that the process may take bounds them too.
	proposalsPart = 8
	// lateTick is how often callers are looked for whose time is up: none of them waits for much longer than it said.
	lateTick = 100 * time.Millisecond
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
	// handOverTries is among how many voters an election timeout is shared when leadership is handed over: to take it is two
	// rounds of messages and a sync.
	handOverTries = 3
	// applierStallElections is for how many election timeouts a leader may apply nothing of what waits to be: longer than any
	// command takes that is not stuck, as the others would take as long for it.
	applierStallElections = 5
	// readSpacing is how long a question for a read index holds back the next one, unless it is answered before: longer
	// than a round trip between members that are near each other and have much to do, short against one over a distance.
	readSpacing = 5 * time.Millisecond
	// readRetryTicks is after how many ticks an unanswered read index is asked again: raft drops it in silence when
	// there is no leader.
	readRetryTicks = 3
)
