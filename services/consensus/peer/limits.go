package peer

import "time"

// Limits of the traffic between members, with the reason for each.
const (
	// urgentMessagesMax and urgentBytesMax bound the small messages that wait for one peer: heartbeats, votes, answers
	// and read indexes. They are a few dozen bytes each; raft repeats all of them.
	urgentMessagesMax = 8192
	urgentBytesMax    = 8 << 20
	// bulkMessagesMax and bulkBytesMax bound the appends and forwarded proposals that wait for one peer. What raft may
	// have in flight to a peer should be less, or a slow peer costs drops and probing instead of waiting.
	bulkMessagesMax = 4096
	bulkBytesMax    = 128 << 20
	// batchBytes ends what goes into one frame. A heartbeat waits for no more than the frame that is being written.
	batchBytes = 512 << 10
	// readBytes is the most that is read at once: net/http's decoder of chunks returns no less than it is asked for, and
	// between reads the sender gets its signs of life. A link needs to carry this much within an election timeout.
	readBytes = 32 << 10

	// backoffMin and backoffMax bound the pause before a peer is tried again. It doubles with each failure, and a
	// random half of it is left out. A stream from the peer ends the pause: it is there again.
	backoffMin = 20 * time.Millisecond
	backoffMax = 500 * time.Millisecond
	// silenceMin is the shortest election timeout that is taken as the longest silence on a stream: below it, a busy
	// machine would pass for a broken connection.
	silenceMin = 500 * time.Millisecond
	// pingsPerSilence and progressPerSilence are how many times within the longest silence a sender asks for a sign of
	// life, and a receiver gives one by itself while it is reading a long frame.
	pingsPerSilence    = 4
	progressPerSilence = 8
	// flushMax bounds how long a stopping sender tries to get rid of what is queued: the message that hands
	// leadership over may be among it.
	flushMax = 200 * time.Millisecond
	// headBytesMax bounds the head of a request: a greeting takes some hundred bytes, and the longest path less.
	headBytesMax = 16 << 10

	// inquiryInterval is how often the members are asked who belongs to the cluster, because of whoever comes in as one of them.
	inquiryInterval = time.Second
	// vouchedMax bounds how many are remembered of those that members know and this one does not.
	vouchedMax = 64

	// membersBytesMax bounds the list of members that another answers with.
	membersBytesMax = 4 << 20
	// fetchTimeout bounds asking one URL for its members.
	fetchTimeout = 5 * time.Second
)

// Limits of snapshots.
const (
	// SnapshotBytesPerSecondDefault leaves most of a disk and of a gigabit link to the members' other work.
	SnapshotBytesPerSecondDefault = 64 << 20
	// SnapshotBytesPerSecondMin lets several receivers get their pieces within headerTimeout.
	SnapshotBytesPerSecondMin = 4 << 20
	// pieceBytes is how much of a file one request asks for: what is lost when a connection breaks, and the memory
	// that either side needs.
	pieceBytes = 4 << 20
	// pieceTimeout bounds one request for a piece; pacing may take much of it.
	pieceTimeout = time.Minute
	// transferIdleMax is how long a receiver may be silent before the sender gives the transfer up. A receiver that is
	// installing a snapshot gives a sign of life transferSigns times within it.
	transferIdleMax = 15 * time.Second
	transferSigns   = 4
	// checkpointIdleMax is how long a checkpoint is kept after its last transfer. Until then it serves the next
	// receiver, and a transfer that broke goes on where it was; it costs the space of what was compacted since.
	checkpointIdleMax = 30 * time.Second
	// partKeptMax is the same for what a receiver has got of a snapshot.
	partKeptMax = 30 * time.Second
	// attemptsMax is how many requests in a row may fail before a transfer is given up: about the time that the sender
	// waits.
	attemptsMax = 16
	// diskReserveBytes must stay free beside a snapshot: a full disk would stop the member, a refused snapshot does not.
	diskReserveBytes = 256 << 20
	// takesMax bounds the offers under consideration: one being taken, the newer one that ends it, and some that are declined.
	takesMax = 8
	// offerIDBytesMax bounds a snapshot's name, which becomes a directory's.
	offerIDBytesMax = 128
	// manifestBytesMax and resultBytesMax bound the descriptions of a snapshot and of its end.
	manifestBytesMax = 64 << 20
	resultBytesMax   = 64 << 10
	// snapshotBytesMax is more than any disk holds, and far from what overflows when sizes are added up.
	snapshotBytesMax = 1 << 60
)
