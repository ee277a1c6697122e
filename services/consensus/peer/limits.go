package peer

import (
	"time"
)

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

	// SnapshotBytesPerSecondDefault leaves most of a disk and of a gigabit link to the members' other work.
	SnapshotBytesPerSecondDefault = 64 << 20
	// SnapshotBytesPerSecondMin lets several receivers get their pieces within headerTimeout.
	SnapshotBytesPerSecondMin = 4 << 20
)
