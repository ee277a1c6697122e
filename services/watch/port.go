package watch

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/node"
)

// Feed is what the service asks of consensus. Messages are immutable once passed, in both directions.
type Feed interface {
	// Tail sends commits from a revision on, each once, in order and without gaps, as they happen. It returns when ctx
	// ends or send fails, and with errdefs.ErrCompacted if it cannot go on from there. It may be called again at any time.
	Tail(ctx context.Context, req *consensusv1.TailRequest, send func(*consensusv1.TailResponse) error) error
	// History reads one stretch of past commits, and fails with errdefs.ErrCompacted below the compacted revision.
	History(ctx context.Context, req *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error)
	// Position tells the newest revision.
	Position(ctx context.Context, req *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error)
	// Status tells the compacted revision.
	Status(ctx context.Context, req *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error)
}

// ConfirmedFeed is what a Feed can do besides where there are several watch nodes.
type ConfirmedFeed interface {
	Feed
	// ReadIndex tells a revision that was the newest when it was asked, as a quorum confirms.
	ReadIndex(ctx context.Context, req *consensusv1.ReadIndexRequest) (*consensusv1.ReadIndexResponse, error)
}

// Identity tells stores apart: one may take another's place, with revisions that mean something else, and not all nodes notice at
// the same time.
type Identity interface {
	// Identity is which store is there, as far as is known, nil for not at all.
	Identity() []byte
	// Other tells whether an identity, which another node has told, is certainly that of another store.
	Other(identity []byte) bool
}

// ErrIDInUse is returned by a session's Add for an id that one of its watches has.
var ErrIDInUse = node.ErrIDInUse
