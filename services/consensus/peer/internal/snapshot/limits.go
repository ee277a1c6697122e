package snapshot

import (
	"time"
)

// Limits of snapshots.
const (
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
	// backoffMin and backoffMax bound the pause before a request is repeated. It doubles with each failure.
	backoffMin = 20 * time.Millisecond
	backoffMax = 500 * time.Millisecond
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
