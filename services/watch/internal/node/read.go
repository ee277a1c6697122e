package node

import (
	"context"
	"errors"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/match"
)

// Read reads one stretch of the past for an API node: from memory if it is there and may be used, else from history. It
// returns consensus' errors, but for compaction, which it tells in the response.
func (n *Node) Read(ctx context.Context, req *watchv1.ReadRequest) (*watchv1.ReadResponse, error) {
	select {
	case <-n.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	sel, from := match.SelectorOf(req.Selection), req.FromRevision
	to := max(req.ToRevision, from)
	if req.Vetted {
		n.mu.Lock()
		events, through, enough := n.mu.table.Peek(sel, from, req.Once)
		n.mu.Unlock()
		if enough {
			return readResponse(events, through), nil
		}
	} else {
		to = 0 // the newest: a stretch that ended sooner would be an answer more
	}
	key, rangeEnd := sel.Request()
	resp, err := n.readFor(ctx, &consensusv1.HistoryRequest{FromRevision: from, ToRevision: to, Key: key, RangeEnd: rangeEnd}, req.Once)
	if errors.Is(err, errdefs.ErrCompacted) {
		revision, err := n.compacted(ctx, from)
		if err != nil {
			return nil, err
		}
		return &watchv1.ReadResponse{CompactedRevision: revision}, nil
	}
	if err != nil {
		return nil, err
	}
	return readResponse(sel.Selected(resp.Commits), resp.ThroughRevision), nil
}

func readResponse(events []*consensusv1.Event, through int64) *watchv1.ReadResponse {
	resp := &watchv1.ReadResponse{ThroughRevision: through}
	if len(events) > 0 {
		b := delivery.NewBatch(events)
		resp.Events, resp.FirstRevision, resp.LastRevision = b.Encoded(), b.First(), b.Last()
	}
	return resp
}
