// Package rpc is the Connect edge of a watch node: a handler through which API nodes come to it. Their side is package
// relay. The errors of package errdefs cross it.
package rpc

import (
	"context"

	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
)

// Service is a watch node as API nodes see it.
type Service interface {
	// Attach starts a session without subscriptions. The caller closes it.
	Attach() Attached
	// Read reads one stretch of the past.
	Read(ctx context.Context, req *watchv1.ReadRequest) (*watchv1.ReadResponse, error)
	// Well tells whether the node is of use; when it is not, API nodes are to leave it.
	Well() bool
	// Store says which store the sessions that are started from now on tell of, nil if that is not known.
	Store() []byte
}

// Attached is the session of one API node. Its methods may be called concurrently; Next only by one goroutine at a time.
type Attached interface {
	// Join begins a subscription, under an id that is not in use.
	Join(ctx context.Context, s *watchv1.Subscription) error
	// Leave ends one.
	Leave(id int64)
	// Position asks for a response with a position at or after a revision.
	Position(revision int64)
	// Next waits for something to tell. It fails when ctx ends, with errdefs.ErrStopped after Close or when the service stops.
	Next(ctx context.Context) (*watchv1.WatchResponse, error)
	// Close ends all subscriptions. It may be called twice.
	Close()
}
