package match

import (
	"github.com/quoratedb/quorate/services/watch/internal/sessionqueue"
)

// Watch is one cursor of a session: everything before Next is on its way to the client or was delivered.
//
// It is in one of three states. A live watch is a member of its group, and the table pushes what the group finds to its
// outlet. A watch that is behind, because it began in the past or its outlet had no room, is in no group: its session
// reads on for it, from the ring or from history, until it has reached the table's position and turns live. An ended watch
// is nowhere, but deliveries of it may be queued.
//
// Who may touch what:
//   - ID, Sel, Out, Notify, Once never change.
//   - group, place, quiet: the table.
//   - Next: the table while the watch is live, and whoever reads on for it while it is behind.
//   - Vetted: whoever reads on for it, and the table where it needs no reading.
//   - Place: the outlet, but that the watch has ended is written with the table's knowledge too.
type Watch struct {
	sessionqueue.Place
	ID  int64
	Sel Selector
	// Out is where its deliveries go.
	Out Outlet
	// Notify asks for progress, Once says that the first revision is enough.
	Notify, Once bool
	// Next is the next revision that it is to be told of.
	Next int64
	// Vetted says that Next was not compacted when the watch began.
	Vetted bool

	group *group
	place int
	// quiet says that nothing was delivered since the last look at who is due for progress.
	quiet bool
}

// Entry is a delivery on its way to a session's queue.
type Entry = sessionqueue.Entry[*Watch]

// Outlet is where the deliveries of a session's watches go.
type Outlet interface {
	// Push takes a delivery, or tells false if there is no room.
	Push(e *Entry) bool
	// FallBehind has a watch that was live, and is in no group any more, go on from a revision by itself, or ends it.
	FallBehind(w *Watch, next int64)
}
