package outbound

import (
	"time"
)

// Limits of what is sent, with the reason for each.
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
	// backoffMin and backoffMax bound the pause before a peer is tried again. It doubles with each failure, and a
	// random half of it is left out. A stream from the peer ends the pause: it is there again.
	backoffMin = 20 * time.Millisecond
	backoffMax = 500 * time.Millisecond
	// pingsPerSilence is how many times within the longest silence a sender asks for a sign of life.
	pingsPerSilence = 4
	// slowPart is which part of the longest silence a sign of life may take until the peer is called slow: two heartbeats by default.
	slowPart = 4
)
