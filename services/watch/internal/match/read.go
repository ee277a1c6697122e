package match

import (
	"context"
	"errors"
	"fmt"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
)

// Read reads one stretch of the past for an API node: from memory if it is there and may be used, else from history. It
// returns consensus' errors, but for compaction, which it tells in the response.
func (n *Node) Read(ctx context.Context, req *watchv1.ReadRequest) (*watchv1.ReadResponse, error) {
	select {
	case <-n.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	sel, from := selectorOf(req.Selection), req.FromRevision
	to := max(req.ToRevision, from)
	if req.Vetted {
		events, through, enough := n.peek(sel, from, n.bytesMax(req.Once))
		if enough {
			return readResponse(events, through), nil
		}
	} else {
		to = 0 // the newest: a stretch that ended sooner would be an answer more
	}
	select {
	case n.reads <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-n.reads }()
	n.counts.reads.Add(1)
	key, rangeEnd := sel.request()
	resp, err := n.cfg.History.History(ctx, &consensusv1.HistoryRequest{
		FromRevision: from, ToRevision: to, Key: key, RangeEnd: rangeEnd, MaxBytes: int64(n.bytesMax(req.Once)),
	})
	if errors.Is(err, errdefs.ErrCompacted) {
		return n.readCompacted(ctx, from)
	}
	if err != nil {
		return nil, err
	}
	var events []*consensusv1.Event
	for _, commit := range resp.Commits {
		events = sel.selected(events, commit)
	}
	return readResponse(events, resp.ThroughRevision), nil
}

// peek looks into the ring, and tells whether that goes back far enough.
func (n *Node) peek(sel selector, from int64, bytesMax int) (events []*consensusv1.Event, through int64, enough bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if from > n.Position() {
		return nil, n.Position(), true
	}
	if from <= n.mu.ring.floor {
		return nil, 0, false
	}
	events, through = n.ringLocked(sel, from, bytesMax)
	return events, through, true
}

// readCompacted finds out what is compacted.
func (n *Node) readCompacted(ctx context.Context, from int64) (*watchv1.ReadResponse, error) {
	status, err := n.cfg.History.Status(ctx, &consensusv1.StatusRequest{})
	if err != nil {
		return nil, err
	}
	if status.CompactedRevision <= from {
		return nil, fmt.Errorf("revision %d is compacted, says history, but %d is, says the status", from, status.CompactedRevision)
	}
	return &watchv1.ReadResponse{CompactedRevision: status.CompactedRevision}, nil
}

func readResponse(events []*consensusv1.Event, through int64) *watchv1.ReadResponse {
	resp := &watchv1.ReadResponse{ThroughRevision: through}
	if len(events) > 0 {
		b := delivery.NewBatch(events)
		resp.Events, resp.FirstRevision, resp.LastRevision = b.Encoded(), b.First(), b.Last()
	}
	return resp
}
