package sessionqueue

import (
	"testing"

	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

type watch struct {
	Place
	name string
}

func entryOf(w *watch, after, revision int64, bytes int) *Entry[*watch] {
	event := &consensusv1.Event{Kv: &mvccpb.KeyValue{ModRevision: revision}}
	return &Entry[*watch]{
		Watch: w, After: after, Bytes: bytes,
		Delivery: delivery.Delivery{Revision: revision, Batch: delivery.NewBatch([]*consensusv1.Event{event})},
	}
}

// Goal: the queue keeps to its limits, and one delivery alone fits whatever it weighs. Method: fill it by number and by bytes.
func TestQueueIsBounded(t *testing.T) {
	w := &watch{}
	q := New[*watch](2, 100)
	require.True(t, q.Push(entryOf(w, 0, 1, 1000)))
	require.False(t, q.Push(entryOf(w, 1, 2, 1)), "by bytes")
	require.NotNil(t, q.Pop())
	require.True(t, q.Push(entryOf(w, 1, 2, 10)))
	require.True(t, q.Push(entryOf(w, 2, 3, 10)))
	require.False(t, q.Push(entryOf(w, 3, 4, 10)), "by number")
	q.Force(entryOf(w, 3, 4, 10))
	require.Equal(t, 3, q.Len())
	require.Equal(t, 3, q.Drop())
	require.Zero(t, q.Len())
	require.False(t, w.Queued())
}

// Goal: what equal watches of a session share counts once, until the last of them has it ("a hundred equal watches on one stream fall
// behind each other"). Method: a batch for three of them in a queue that holds it once, and another batch before and after.
func TestSharedBytesCountOnce(t *testing.T) {
	q := New[*watch](10, 250)
	shared := entryOf(&watch{}, 1, 2, 100)
	require.True(t, q.Push(entryOf(&watch{}, 0, 1, 100)))
	for range 3 {
		one := &Entry[*watch]{Watch: &watch{}, After: 1, Bytes: 100, Delivery: shared.Delivery}
		require.True(t, q.Push(one))
	}
	require.False(t, q.Push(entryOf(&watch{}, 2, 3, 100)))
	for range 3 {
		require.NotNil(t, q.Pop())
		require.Equal(t, 100, q.bytes)
	}
	require.True(t, q.Push(entryOf(&watch{}, 2, 3, 100)))
	require.NotNil(t, q.Pop())
	require.Equal(t, 100, q.bytes)
	require.Equal(t, 1, q.Drop())
	require.Zero(t, q.bytes)
}

// Goal: queue and line are served in turn, and what is queued for a watch comes before what it reads on. Method: two watches in the
// line, one of them with a delivery, and a third that has deliveries alone.
func TestQueueAndLineTakeTurns(t *testing.T) {
	a, b, c := &watch{name: "a"}, &watch{name: "b"}, &watch{name: "c"}
	q := New[*watch](10, 1000)
	for revision := range int64(2) {
		require.True(t, q.Push(entryOf(c, revision, revision+1, 1)))
	}
	require.True(t, q.Push(entryOf(a, 2, 3, 1)))
	q.LineUp(a)
	q.LineUp(b)
	var got []string
	for {
		e, behind := q.Next()
		if e == nil && behind == nil {
			break
		}
		if e != nil {
			got = append(got, "deliver "+e.Watch.name)
		} else {
			got = append(got, "read on "+behind.name)
			require.False(t, behind.Queued())
			require.False(t, behind.InLine())
		}
	}
	require.Equal(t, []string{"deliver c", "deliver c", "read on b", "deliver a", "read on a"}, got)
}

// Goal: a watch that has ended is passed over in the line, and what is queued of it is still counted off. Method: end one that is
// in both.
func TestEndedWatchesArePassedOver(t *testing.T) {
	gone := &watch{}
	q := New[*watch](10, 1000)
	require.True(t, q.Push(entryOf(gone, 4, 5, 1)))
	q.LineUp(gone)
	after, any := q.After()
	require.True(t, any)
	require.EqualValues(t, 4, after)
	require.EqualValues(t, 4, gone.Floor())
	gone.End()
	e, behind := q.Next()
	require.Nil(t, behind)
	require.True(t, e.Watch.Ended())
	require.EqualValues(t, 5, gone.Floor())
	e, behind = q.Next()
	require.Nil(t, e)
	require.Nil(t, behind)
	require.Empty(t, q.Line())
}

// Goal: open progress requests are answered from the lowest on, and are bounded. Method: more than there may be.
func TestRequestsAreBounded(t *testing.T) {
	var r Requests
	for revision := range int64(RequestsMax + 10) {
		r.Add(revision)
	}
	r.Add(3)
	require.Equal(t, RequestsMax, r.Len())
	var last int64
	for ; r.Len() > 0; r.Answered() {
		require.LessOrEqual(t, last, r.Lowest())
		last = r.Lowest()
	}
	require.EqualValues(t, RequestsMax+9, last, "the highest stands in for those that found no room")
}

// Goal: a goroutine that waits is woken once, and nobody is while nobody waits. Method: count the tokens.
func TestWakeWakesWhoWaits(t *testing.T) {
	w := NewWake()
	w.Nudge()
	require.Empty(t, w.Tokens())
	w.Wait()
	w.Nudge()
	w.Nudge()
	require.Len(t, w.Tokens(), 1)
}
