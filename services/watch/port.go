package watch

import (
	"context"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/match"
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

// ErrIDInUse is returned by a session's Add for an id that one of its watches has.
var ErrIDInUse = match.ErrIDInUse
