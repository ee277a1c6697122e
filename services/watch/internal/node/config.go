package node

import (
	"context"
	"log/slog"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
)

// Source is where batches come from. It may lose, double and delay them.
type Source interface {
	// Receive waits for the next batch, and returns it together with what follows it and is there already. It fails when ctx ends.
	Receive(ctx context.Context) (*broadcast.Message, error)
}

// Announcer tells ingesters whether this node has watchers, so that they know whether to send anything.
type Announcer interface {
	Announce(watching bool) error
	// AnnounceInterval is how often Announce wants to be called.
	AnnounceInterval() time.Duration
	// AlwaysAnnounce tells that the node has something to say of itself also while it has no watchers.
	AlwaysAnnounce() bool
}

// History is what the node asks of consensus.
type History interface {
	// History reads past commits; it fails with errdefs.ErrCompacted below the compacted revision.
	History(ctx context.Context, req *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error)
	// Status tells the compacted revision.
	Status(ctx context.Context, req *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error)
}

// Config says what a node works with. All fields are required.
type Config struct {
	Logger  *slog.Logger
	History History
	// ProgressInterval is how long a watch that asked for progress may hear nothing, give or take as much again.
	ProgressInterval time.Duration
	// RingBytesMax bounds the recent commits in memory.
	RingBytesMax int
	// SessionDeliveriesMax and SessionBytesMax bound what waits for one session's Next.
	SessionDeliveriesMax int
	SessionBytesMax      int
	// AttachedDeliveriesMax and AttachedBytesMax bound what waits for one API node.
	AttachedDeliveriesMax int
	AttachedBytesMax      int
	// DeliveryBytesMax is where a delivery ends if it holds more than one revision.
	DeliveryBytesMax int
	// ReadsMax bounds how many reads of history run at once on behalf of watches.
	ReadsMax int
}
