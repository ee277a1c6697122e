// Package delivery holds what a watch session hands to the wire: one stretch of events for one watch, in a form
// that equal watches share so that it is encoded once, on its whole way from matching to a client. It knows nothing of
// matching or of wires.
package delivery

import (
	"context"

	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
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
	// Replaced is set when the watch has ended because the store is another one now, or went back to an earlier state: what it
	// was told and what is still to come do not belong together.
	Replaced bool
	// Refused, unless empty, says in etcd's words why the watch has ended otherwise.
	Refused string
}

// Session is one client's watches. Its methods may be called concurrently; Next only by one goroutine at a time.
type Session interface {
	// Add starts a watch under an id that is not in use on this session. Events arrive from its start revision on,
	// which may lie in the past (back-fill) or in the future.
	Add(watch *watchv1.Watch) error
	// Remove ends a watch; a delivery that Next has already returned may still be on its way.
	Remove(id int64)
	// Progress asks for a delivery with All set, once every watch of the session is told everything up to revision.
	Progress(revision int64)
	// Next waits for the next delivery. It fails when ctx ends, with errdefs.ErrStopped after Close or when the service stops.
	Next(ctx context.Context) (*Delivery, error)
	// Close ends all watches. It may be called twice.
	Close()
}
