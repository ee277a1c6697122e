package v2

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/api/internal/auditlog"
)

// watch answers with the first event at or after an index, or with all of them, as they happen.
//
// The headers go out before there is an event, so that a client knows from where it waits. A wait that has to end
// without one, because the server stops, its state turns out corrupt, the history that it needs is compacted away
// meanwhile, the store is another one by now, or the client may not read there any more, ends with an empty body: clients ask again.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, q *query) {
	ctx, stop := context.WithCancelCause(r.Context())
	defer stop(nil)
	defer context.AfterFunc(s.Ending, func() { stop(nil) })()
	defer s.Follow(stop)()
	rights := &watchRights{server: s, r: r, path: q.path, recursive: q.recursive}
	if err := rights.check(ctx); err != nil {
		s.internal(ctx, w, err)
		return
	}
	position, err := s.Consensus.Position(ctx, &consensusv1.PositionRequest{})
	if err != nil {
		s.internal(ctx, w, err)
		return
	}
	if position.GetCorrupt() {
		s.internal(ctx, w, errdefs.ErrCorrupt)
		return
	}
	start := position.GetRevision() + 1
	if q.waitIndex != 0 {
		start = clampIndex(q.waitIndex)
	}
	// The compacted revision can still be read, but not what it replaced: its events would not be whole.
	if first := position.GetCompactedRevision() + 1; start < first && first > 1 {
		cleared := newKeysError(codeHistoryCleared, fmt.Sprintf("the requested history has been cleared [%d/%d]", first, start))
		cleared.Index = position.GetRevision()
		cleared.write(w)
		return
	}
	session := s.Watch.Open()
	defer session.Close()
	at := place{path: q.path, recursive: q.recursive}
	key, end := at.keys()
	err = session.Add(&watchv1.Watch{
		Id: 1, Key: key, RangeEnd: end, StartRevision: start, PrevKv: true, Tree: true, Once: !q.stream,
	})
	if err != nil {
		s.internal(ctx, w, err)
		return
	}
	s.watchers.Add(1)
	defer s.watchers.Add(-1)
	setIndex(w, position.GetRevision(), position.GetRaftIndex(), position.GetRaftTerm())
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	if out.Flush() != nil {
		return
	}
	t := teller{at: at, rights: rights, stream: q.stream, out: w, now: s.Now, shown: s.Shown}
	for {
		next, err := rights.next(ctx, session)
		if denied(err) {
			auditlog.WaitEnded(ctx)
		}
		if err != nil || next.CompactedRevision != 0 || next.Replaced {
			return
		}
		// A client that does not read is let go: it can ask again from the index that it has seen.
		_ = out.SetWriteDeadline(time.Now().Add(unreadMax))
		if done := t.tell(next); done || out.Flush() != nil {
			return
		}
		// Over HTTP/2 a deadline that passes ends the stream, also where nothing is being written.
		_ = out.SetWriteDeadline(time.Time{})
	}
}

// unreadMax is how long a client may read nothing of events that are there for it.
const unreadMax = 30 * time.Second

// clampIndex turns an index into a revision to start from. No store comes to see the highest ones.
func clampIndex(index uint64) int64 {
	const highest = 1<<63 - 2
	return int64(min(index, highest))
}

// teller writes events to a waiting client.
type teller struct {
	at     place
	rights *watchRights
	stream bool
	out    io.Writer
	now    func() time.Time
	shown  func(index int64)
}

// tell writes what a delivery holds, and tells whether the answer is complete or its client gone.
func (t *teller) tell(d *delivery.Delivery) (done bool) {
	if d.Batch == nil {
		return false
	}
	events := d.Batch.Events()
	if t.shown != nil && len(events) > 0 {
		t.shown(events[len(events)-1].GetKv().GetModRevision())
	}
	for len(events) > 0 {
		n := 1
		for n < len(events) && events[n].GetKv().GetModRevision() == events[0].GetKv().GetModRevision() {
			n++
		}
		made := t.rights.visible(t.at.of(events[:n], t.now()))
		events = events[n:]
		if len(made) == 0 {
			continue
		}
		if !t.stream {
			_ = t.at.join(made).write(t.out) // a client that left does not miss it
			return true
		}
		for _, e := range made {
			if e.write(t.out) != nil {
				return true
			}
		}
	}
	return false
}
