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
	// frameBytesMax is the longest frame that is accepted: a batch, or a single message that is larger than one, which
	// a raised limit on requests can make.
	frameBytesMax = 512 << 20
	// frameReadStep is how much memory a frame's length alone can claim; more is claimed as bytes arrive.
	frameReadStep = 1 << 20
	// frameBufferKept is the largest buffer that is kept between frames.
	frameBufferKept = 4 << 20

	// dialTimeout bounds making a connection, handshakeTimeout everything from there to the peer's acceptance.
	dialTimeout      = 2 * time.Second
	handshakeTimeout = 3 * time.Second
	// backoffMin and backoffMax bound the pause before a peer is tried again. It doubles with each failure, and a
	// random half of it is left out. A stream from the peer ends the pause: it is there again.
	backoffMin = 20 * time.Millisecond
	backoffMax = time.Second
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
	// refusalBytesMax bounds how much of a refusal's text is read.
	refusalBytesMax = 4 << 10
	// headerTimeout bounds how long a connection may take to say what it wants.
	headerTimeout = 10 * time.Second
	// idleTimeout is how long a connection without a request is kept.
	idleTimeout = 90 * time.Second

	// noticeInterval is how often the same trouble with the same peer is logged.
	noticeInterval = 10 * time.Second
	// noticesMax bounds what is remembered of what was logged; ids come from the other side.
	noticesMax = 1024

	// membersBytesMax bounds the list of members that another answers with.
	membersBytesMax = 4 << 20
	// fetchTimeout bounds asking one URL for its members.
	fetchTimeout = 5 * time.Second
)
