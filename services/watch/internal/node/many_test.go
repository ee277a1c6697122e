package node

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/match"
	"github.com/quoratedb/quorate/services/watch/internal/sessionqueue"
)

// Goal: a progress request of a client with many watches that are behind does not cost a look at each for every delivery ("100,000
// watches from revision 1 and one request: the node stands for as long as they catch up"). Method: count the looks until the
// request is answered.
func TestProgressDoesNotLookThroughTheLineAgainAndAgain(t *testing.T) {
	bubble(t, 3, nil, func(h *harness) {
		const watches = 300
		s := h.node.Open()
		defer s.Close()
		for id := range int64(watches) {
			require.NoError(h, s.Add(&watchv1.Watch{Id: id, Key: []byte("a"), StartRevision: 1}))
		}
		s.Progress(3)
		told := 0
		for {
			d, err := s.Next(h.Context())
			require.NoError(h, err)
			if d.All {
				require.EqualValues(h, 3, d.Revision)
				break
			}
			told++
		}
		require.Equal(h, watches, told, "progress comes after what it speaks of")
		require.LessOrEqual(h, s.looked, 3*watches)
	})
}

// Goal: a client that goes with many watches does not hold up all others' events while they end. Method: the slices that a close
// is made of.
func TestCloseEndsWatchesInSlices(t *testing.T) {
	bubble(t, 3, nil, func(h *harness) {
		s, other := h.node.Open(), h.node.Open()
		defer other.Close()
		for id := range int64(2*sessionqueue.SliceMax + 1) {
			require.NoError(h, s.Add(&watchv1.Watch{Id: id, Key: fmt.Append(nil, id), StartRevision: 4}))
		}
		require.NoError(h, other.Add(&watchv1.Watch{Id: 1, Key: []byte("a"), StartRevision: 4}))
		watches := slices.Collect(maps.Values(s.shut()))
		require.Len(h, watches, 2*sessionqueue.SliceMax+1)
		s.endSome(watches[:sessionqueue.SliceMax])
		require.Equal(h, sessionqueue.SliceMax+2, h.node.watchers())
		require.ErrorIs(h, s.Add(&watchv1.Watch{Id: -1, Key: []byte("a"), StartRevision: 4}), errdefs.ErrStopped)
		s.Remove(watches[sessionqueue.SliceMax].ID)
		key, _ := watches[sessionqueue.SliceMax].Sel.Request()
		h.put(string(key))
		require.Zero(h, s.mu.queue.Len())
		s.endSome(watches[sessionqueue.SliceMax:])
		require.Equal(h, 1, h.node.watchers())
		require.Empty(h, s.shut())
	})
}

// For how long the node's lock is held at most while a gap is skipped, and while a client with 200,000 watches goes: for each slice,
// and for all of them together, as it was when they were one.
//
//	go test -run - -bench Longest -benchtime 1x ./internal/node
func BenchmarkLongestHold(b *testing.B) {
	const watches = 200_000
	for name, rangeEnd := range map[string]string{"keys": "", "ranges": "\xff"} {
		b.Run(name, func(b *testing.B) {
			n := New(Config{Logger: slog.New(slog.DiscardHandler), History: &history{}, ProgressInterval: time.Hour, RingBytesMax: 1, SessionDeliveriesMax: 1, SessionBytesMax: 1, DeliveryBytesMax: 1, ReadsMax: 1})
			n.start(0)
			took := func(do func()) time.Duration {
				began := time.Now()
				do()
				return time.Since(began)
			}
			for b.Loop() {
				s := n.Open()
				for id := range int64(watches) {
					require.NoError(b, s.Add(&watchv1.Watch{Id: id, Key: fmt.Append(nil, id), RangeEnd: []byte(rangeEnd), StartRevision: 1}))
				}
				b.ReportMetric(took(func() { n.change(func(t *match.Table) { t.Bridge(1) }) }).Seconds()*1000, "skip-ms")
				var open []*match.Watch
				longest := took(func() { open = slices.Collect(maps.Values(s.shut())) })
				all := longest
				for some := range slices.Chunk(open, sessionqueue.SliceMax) {
					slice := took(func() { s.endSome(some) })
					longest, all = max(longest, slice), all+slice
				}
				b.ReportMetric(longest.Seconds()*1000, "longest-slice-ms")
				b.ReportMetric(all.Seconds()*1000, "all-slices-ms")
			}
		})
	}
}
