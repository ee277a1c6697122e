// Package delivery holds what a watch session hands to the wire: one stretch of events for one watch, in a form
// that equal watches share so that it is encoded once. It knows nothing of matching or of wires.
package delivery

import (
	"sync"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Delivery is one message of a watch session.
type Delivery struct {
	// ID is the watch that this is for; meaningless when All is set.
	ID int64
	// Batch holds the events, nil in progress and in the end of a watch.
	Batch *Batch
	// Revision is the newest revision that the watch has now been told everything of.
	Revision int64
	// All marks the answer to a progress request: every watch of the session is told everything up to Revision.
	All bool
	// CompactedRevision is set when the watch has ended because its next revisions are compacted.
	CompactedRevision int64
}

// Batch is a run of events in revision order, whole revisions only. It is immutable and shared by equal watches.
type Batch struct {
	Events []*consensusv1.Event

	once    sync.Once
	encoded []byte
}

// Encoded returns what encode makes of the events, made once whoever asks and however often. Every caller must pass
// an equivalent encode, and none may change the result.
func (b *Batch) Encoded(encode func([]*consensusv1.Event) []byte) []byte {
	b.once.Do(func() { b.encoded = encode(b.Events) })
	return b.encoded
}
