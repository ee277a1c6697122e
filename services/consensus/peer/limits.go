package peer

import "time"

// Limits of the traffic between members, with the reason for each.
const (
	// silenceMin is the shortest election timeout that is taken as the longest silence on a stream: below it, a busy
	// machine would pass for a broken connection.
	silenceMin = 500 * time.Millisecond
	// flushMax bounds how long a stopping sender tries to get rid of what is queued: the message that hands
	// leadership over may be among it.
	flushMax = 200 * time.Millisecond
	// headBytesMax bounds the head of a request: a greeting takes some hundred bytes, and the longest path less.
	headBytesMax = 16 << 10

	// membersBytesMax bounds the list of members that another answers with.
	membersBytesMax = 4 << 20
	// fetchTimeout bounds asking one URL for its members.
	fetchTimeout = 5 * time.Second

	// SnapshotBytesPerSecondDefault leaves most of a disk and of a gigabit link to the members' other work.
	SnapshotBytesPerSecondDefault = 64 << 20
	// SnapshotBytesPerSecondMin lets several receivers get their pieces within headerTimeout.
	SnapshotBytesPerSecondMin = 4 << 20
)
