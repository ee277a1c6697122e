package groups

import (
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/sessionqueue"
)

// Selector says what a watch wants to see. Watches with equal selectors form a group.
type Selector struct {
	key, rangeEnd                 string
	noPut, noDelete, prevKV, tree bool
}

// SelectorOf reads a request.
func SelectorOf(w *watchv1.Watch) Selector {
	return Selector{string(w.Key), string(w.RangeEnd), w.NoPut, w.NoDelete, w.PrevKv, w.Tree}
}

// Request is the selector as watch nodes are asked for it.
func (s Selector) Request() *watchv1.Selection {
	return &watchv1.Selection{
		Key: []byte(s.key), RangeEnd: []byte(s.rangeEnd), NoPut: s.noPut, NoDelete: s.noDelete, PrevKv: s.prevKV, Tree: s.tree,
	}
}

// Watch is one client's: everything before Next was queued for the client, or handed to it, or lies before what it asked
// for.
//
// It is in one of three states. A live watch is a member of its group. One that is behind stands in its session's line,
// and whoever calls the session's Next reads on for it; or, while the group has no node, it is parked with the group. An
// ended watch is nowhere, but deliveries of it may be queued.
//
// ID, Out, Notify, Once never change; Place is the outlet's, but that the watch has ended is written with the table's
// knowledge too; and all else is the table's.
type Watch struct {
	sessionqueue.Place
	ID int64
	// Out is where its deliveries go.
	Out Outlet
	// Notify asks for progress, Once says that the first revision is enough.
	Notify, Once bool
	// Next is the next revision that it is to be told of.
	Next int64

	group *group
	live  bool
	place int // among the group's members
	// told is how far the watch was told everything, wherever its group was then: a group may join a node that is behind.
	told int64
	// quiet says that nothing was delivered since the last look at who is due for progress.
	quiet bool
	// vetted says that Next was not compacted when the watch began, as far as the store knows.
	vetted bool
}

// Entry is a delivery on its way to a session's queue.
type Entry = sessionqueue.Entry[*Watch]

// Outlet is where the deliveries of a session's watches go.
type Outlet interface {
	// Push takes a delivery, or tells false if there is no room.
	Push(e *Entry) bool
	// LineUp has a watch that is behind read on.
	LineUp(w *Watch)
}

// toldTo is how far a live watch was told everything.
func (w *Watch) toldTo() int64 { return max(w.told, w.group.told()) }

// Handed is the revision up to which the watch has been handed everything. Its outlet may not change meanwhile.
func (w *Watch) Handed() int64 {
	switch {
	case w.Queued():
		return w.Floor()
	case w.live:
		return w.toldTo()
	default:
		return w.Next - 1
	}
}
