package node

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/quoratedb/quorate/services/watch/internal/sessionqueue"
)

// told is what an API node is told next.
func (h *harness) told(a *Attached) *watchv1.WatchResponse {
	h.Helper()
	resp, err := a.Next(h.Context())
	require.NoError(h, err)
	return resp
}

func subscribe(id int64, key string) *watchv1.Subscription {
	return &watchv1.Subscription{Id: id, Selection: &watchv1.Selection{Key: []byte(key)}}
}

// Goal: a subscription begins where the node is, says so, and is told all that comes, many at once; a position comes
// behind what it speaks of; what is not to be told any more is not. Method: two subscriptions, one of which leaves.
func TestAttached(t *testing.T) {
	bubble(t, 5, func(c *Config) { c.AttachedDeliveriesMax, c.AttachedBytesMax = 10, 1<<20 }, func(h *harness) {
		a := h.node.Attach()
		defer a.Close()
		require.True(h, h.node.watching(), "an API node may want something any moment")
		require.NoError(h, a.Join(h.Context(), subscribe(1, "a")))
		require.NoError(h, a.Join(h.Context(), subscribe(2, "b")))
		require.ErrorIs(h, a.Join(h.Context(), subscribe(2, "c")), ErrIDInUse)
		h.put("a")
		h.put("b")
		h.put("a", "b")
		a.Position(8)
		resp := h.told(a)
		var got [][3]int64
		for _, d := range resp.Deliveries {
			got = append(got, [3]int64{d.Id, int64(d.Kind), d.Revision})
		}
		joined := int64(watchv1.Delivery_KIND_JOINED)
		require.Equal(h, [][3]int64{{1, joined, 5}, {2, joined, 5}, {1, 0, 6}, {2, 0, 7}, {1, 0, 8}, {2, 0, 8}}, got)
		require.EqualValues(h, 8, resp.Position.GetRevision())
		b, err := delivery.FromEncoded(resp.Deliveries[2].Events, resp.Deliveries[2].FirstRevision, resp.Deliveries[2].LastRevision)
		require.NoError(h, err)
		require.Equal(h, []int64{6}, revisions(&delivery.Delivery{Batch: b}))

		a.Position(9)
		a.Leave(1)
		h.put("a", "b")
		resp = h.told(a)
		require.Len(h, resp.Deliveries, 1)
		require.EqualValues(h, 9, resp.Position.GetRevision())
		h.stop()
		_, err = a.Next(h.Context())
		require.ErrorIs(h, err, errdefs.ErrStopped)
	})
}

// Goal: a node that lags goes on telling where it is while it owes the position that an API node asked for ("a progress
// request moves all watches to another node"). Method: a request for a revision that comes late, with beats meanwhile,
// more of them than may wait, and an event.
func TestAttachedBeatsWhileAPositionIsOwed(t *testing.T) {
	bubble(t, 5, nil, func(h *harness) {
		a := h.node.Attach()
		defer a.Close()
		require.NoError(h, a.Join(h.Context(), subscribe(1, "a")))
		require.Len(h, h.told(a).Deliveries, 1)
		for range 2 * sessionqueue.RequestsMax {
			a.Position(7)
		}
		for range 5 {
			a.Position(0)
			ctx, cancel := context.WithTimeout(h.Context(), time.Second)
			resp, err := a.Next(ctx)
			cancel()
			require.NoError(h, err)
			require.EqualValues(h, 5, resp.GetPosition().GetRevision())
		}
		h.put("a")
		resp := h.told(a)
		require.Len(h, resp.Deliveries, 1)
		require.Nil(h, resp.Position)
		h.put("b")
		require.EqualValues(h, 7, h.told(a).Position.GetRevision())
		require.Zero(h, a.s.mu.progress.Len(), "one answer for all")
	})
}

// Goal: a subscription ends, and says so, rather than fall behind, be it that the API node takes too little or that the
// node has missed too much; what was queued before still comes. Method: a full queue; a gap that history cannot fill.
func TestAttachedLapses(t *testing.T) {
	bubble(t, 5, func(c *Config) { c.AttachedDeliveriesMax, c.AttachedBytesMax = 2, 1<<20 }, func(h *harness) {
		a := h.node.Attach()
		defer a.Close()
		require.NoError(h, a.Join(h.Context(), subscribe(1, "a")))
		for range 3 {
			h.put("a")
		}
		resp := h.told(a)
		require.Len(h, resp.Deliveries, 3)
		require.Equal(h, watchv1.Delivery_KIND_LAPSED, resp.Deliveries[2].Kind)
		require.EqualValues(h, 6, resp.Deliveries[2].Revision, "7 found no room")
		require.NoError(h, a.Join(h.Context(), subscribe(2, "a")))
		require.EqualValues(h, 8, h.told(a).Deliveries[0].Revision)

		for range 5 {
			h.append("a")
		}
		h.history.compacted = 11
		h.send(&broadcast.Message{Follows: 13, Through: 13})
		resp = h.told(a)
		require.Equal(h, watchv1.Delivery_KIND_LAPSED, resp.Deliveries[0].Kind)
		require.EqualValues(h, 8, resp.Deliveries[0].Revision)
		require.Zero(h, h.node.watchers())
	})
}

// Goal: the past is read from memory where that may be, else from history, a stretch at a time, and compaction is told.
// Method: reads of each kind, and what was asked of history for them.
func TestRead(t *testing.T) {
	bubble(t, 5, nil, func(h *harness) {
		a := h.node.Attach()
		defer a.Close()
		for range 3 {
			h.put("a")
		}
		read := func(from int64, vetted, once bool) *watchv1.ReadResponse {
			h.history.requests = nil
			resp, err := h.node.Read(h.Context(), &watchv1.ReadRequest{
				Selection: &watchv1.Selection{Key: []byte("a")}, FromRevision: from, ToRevision: 8, Vetted: vetted, Once: once,
			})
			require.NoError(h, err)
			return resp
		}
		resp := read(6, true, false)
		require.Empty(h, h.history.requests)
		require.Equal(h, [3]int64{6, 8, 8}, [3]int64{resp.FirstRevision, resp.LastRevision, resp.ThroughRevision})
		require.EqualValues(h, 6, read(6, true, true).ThroughRevision)
		require.EqualValues(h, 8, read(9, true, false).ThroughRevision, "nothing yet")
		require.EqualValues(h, 8, read(6, false, false).ThroughRevision)
		require.Zero(h, h.history.requests[0].ToRevision, "up to the newest")
		require.EqualValues(h, 8, read(2, true, false).ThroughRevision, "in one answer, although memory has the rest")
		h.history.compacted = 4
		require.EqualValues(h, 4, read(2, false, false).CompactedRevision)
	})
}
