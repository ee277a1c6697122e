package node

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/quoratedb/quorate/pkg/delivery"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/stretchr/testify/require"
)

// Goal: a revision whose events are too many to be held reaches each watch as a whole, also one that begins while it is read,
// and the next ones follow. Method: a revision of 100 keys that history gives in parts of 10, and a watch that is added
// between two parts.
func TestLargeRevisionIsReadInParts(t *testing.T) {
	bubble(t, 4, nil, func(h *harness) {
		one, some := h.open(watchOf(1, "k042", 5)), h.open(&watchv1.Watch{Id: 1, Key: []byte("k09"), RangeEnd: []byte("k0:"), StartRevision: 5})
		none := h.open(watchOf(1, "a", 5))
		keys := make([]string, 100)
		for i := range keys {
			keys[i] = fmt.Sprintf("k%03d", i)
		}
		h.append(keys...)
		h.history.partEvents = 10
		late := h.node.Open()
		turned := make(chan *delivery.Delivery)
		h.history.fail = func() error {
			if h.history.requests[len(h.history.requests)-1].FromSub == 50 {
				require.NoError(h, late.Add(&watchv1.Watch{Id: 1, Key: []byte("k0"), RangeEnd: []byte("k1"), StartRevision: 5}))
				go func() { turned <- h.next(late) }()
				<-time.After(time.Millisecond) // it has turned live
			}
			return nil
		}
		h.send(&broadcast.Message{Follows: 4, Through: 5})
		for _, told := range []struct {
			d    *delivery.Delivery
			want int
		}{{<-turned, 100}, {h.next(one), 1}, {h.next(some), 10}} {
			require.Len(h, told.d.Batch.Events(), told.want)
			require.EqualValues(h, 5, told.d.Batch.Events()[0].Kv.ModRevision)
		}
		h.put("k042", "a")
		for _, session := range []*Session{one, late, none} {
			require.Equal(h, []int64{6}, revisions(h.next(session)))
		}
	})
}

// Goal: a large revision of which history cannot read a part keeps the node from nothing else ("no watch gets anything any more, and the
// log has a warning a second"). Method: a revision of 100 keys whose part from the 50th on fails for ever where all are read; a watch of
// one key reads for itself, and gets it and what follows.
func TestUnreadablePartOfALargeRevisionHoldsNobodyUp(t *testing.T) {
	bubble(t, 4, nil, func(h *harness) {
		one := h.open(watchOf(1, "k042", 5))
		keys := make([]string, 100)
		for i := range keys {
			keys[i] = fmt.Sprintf("k%03d", i)
		}
		h.append(keys...)
		h.history.partEvents = 10
		h.history.fail = func() error {
			if asked := h.history.requests[len(h.history.requests)-1]; asked.FromSub == 50 && asked.Parts {
				return errors.New("the disk cannot read this")
			}
			return nil
		}
		h.send(&broadcast.Message{Follows: 4, Through: 5})
		<-time.After(time.Minute)
		require.Equal(h, []int64{5}, revisions(h.next(one)))
		h.put("k042", "a")
		require.Equal(h, []int64{6}, revisions(h.next(one)))
	})
}
