package match

import (
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/memorysize"
)

// Table is the watches of a node, and its position: the revision up to which it knows everything. Each commit at or before
// it was matched against the watches that were live then, so for each watch a commit is either matched or lies in its
// past. Whoever owns the table calls one method at a time.
type Table struct {
	deliveryBytesMax int
	position         int64
	begun            bool
	// era counts the stores that were followed. What was to be read of an earlier one is given up: this one may never get there.
	era    int64
	index  index
	groups map[*group]struct{}
	ring   ring
	// watches counts all, live those in groups.
	watches, live int
	// slowed counts watches that fell behind because there was no room, gaps what the broadcast did not bring, deliveries what was pushed.
	slowed, gaps, deliveries int64
	// notified are the watches that want progress.
	notified map[*Watch]struct{}
	// touched are the groups with pending events, and full says that one of them has enough for a delivery.
	touched []*group
	full    bool
}

// NewTable returns a table without watches, which has to Begin. A delivery ends where it holds deliveryBytesMax and more
// than one revision; the recent commits in memory take ringBytesMax.
func NewTable(deliveryBytesMax, ringBytesMax int) *Table {
	return &Table{
		deliveryBytesMax: deliveryBytesMax,
		index:            newIndex(),
		groups:           make(map[*group]struct{}),
		ring:             ring{bytesMax: ringBytesMax},
		notified:         make(map[*Watch]struct{}),
	}
}

// Begin sets the position, at first or of what is another store than before.
func (t *Table) Begin(position int64) {
	if t.begun {
		t.era++
	}
	t.begun = true
	t.reset(position)
}

// reset goes on after a revision, with nothing of what came before in memory.
func (t *Table) reset(position int64) {
	t.ring.reset(position)
	t.position = position
}

// Position is the revision up to which everything is matched.
func (t *Table) Position() int64 { return t.position }

// Era tells stores apart: it changes when Begin is called again.
func (t *Table) Era() int64 { return t.era }

// Len is how many watches there are, Behind how many of them are not live.
func (t *Table) Len() int { return t.watches }

// Behind is for Len.
func (t *Table) Behind() int { return t.watches - t.live }

// Slowed is how often a live watch fell behind because its outlet had no room.
func (t *Table) Slowed() int64 { return t.slowed }

// Gaps is how many gaps there were that concerned somebody.
func (t *Table) Gaps() int64 { return t.gaps }

// Deliveries is how many deliveries of events found room.
func (t *Table) Deliveries() int64 { return t.deliveries }

// RingBytes is the weight of the recent commits in memory.
func (t *Table) RingBytes() int { return t.ring.bytes }

// Add takes in a watch, and tells whether it is live: else it is behind.
func (t *Table) Add(w *Watch) (live bool) {
	t.watches++
	if w.Notify {
		t.notified[w] = struct{}{}
	}
	if !t.begun || w.Next <= t.position {
		return false
	}
	w.Vetted = true // what is still to come is not compacted
	t.join(w)
	return true
}

// End takes a watch from wherever it is. It may be called twice.
func (t *Table) End(w *Watch) {
	if w.Ended() {
		return
	}
	w.End()
	delete(t.notified, w)
	t.watches--
	if w.group != nil {
		t.leave(w)
	}
}

// join turns a watch live.
func (t *Table) join(w *Watch) {
	g := t.index.group(w.Sel)
	t.groups[g] = struct{}{}
	w.quiet = false
	g.join(w)
	t.live++
}

// leave takes a live watch out of its group.
func (t *Table) leave(w *Watch) {
	g := w.group
	t.live--
	if g.leave(w); len(g.members) == 0 {
		t.index.drop(g)
		delete(t.groups, g)
	}
}

// putBehind makes a live watch go on from a revision by itself.
func (t *Table) putBehind(w *Watch, next int64) {
	t.leave(w)
	w.Out.FallBehind(w, next)
}

// watched tells whether a live watch wants events of a key.
func (t *Table) watched(key []byte) bool { return len(t.index.match(key)) > 0 }

// TellQuiet queues progress for the live watches that asked for it and to which nothing was delivered since the last time.
func (t *Table) TellQuiet() {
	for w := range t.notified {
		switch {
		case w.group == nil:
		case !w.quiet:
			w.quiet = true
		default:
			e := &Entry{Watch: w, After: t.position}
			e.Delivery.ID, e.Delivery.Revision = w.ID, t.position
			// If there is no room, there is something to deliver, and no need to say that there is nothing.
			w.Out.Push(e)
		}
	}
}

// ringCommitsMax bounds how many commits of the ring are looked through in one go.
const ringCommitsMax = 512

// ReadOn takes a watch that is behind a step further, with what is in memory. It tells what that is and up to where it is
// everything, and whether the watch is still behind, from Next on. It tells false where history has to be read: the
// ring does not go back far enough, or the revision was asked for from outside and may be compacted.
func (t *Table) ReadOn(w *Watch) (events []*consensusv1.Event, through int64, behind, done bool) {
	switch {
	case w.Ended():
		return nil, 0, false, true
	case w.Next > t.position:
		t.join(w)
		return nil, 0, false, true
	case !w.Vetted:
		return nil, 0, true, false
	}
	events, through, enough := t.Peek(w.Sel, w.Next, w.Once)
	if !enough {
		return nil, 0, true, false
	}
	w.Next = through + 1
	if behind = through < t.position; !behind {
		t.join(w)
	}
	return events, through, behind, true
}

// Peek looks through the recent commits, from a revision on, for what a selector wants, until it is a delivery's worth or it
// has looked for long. It returns the revision up to which that is everything, and tells false if memory does not go back
// far enough.
func (t *Table) Peek(sel Selector, from int64, once bool) (events []*consensusv1.Event, through int64, enough bool) {
	r := &t.ring
	switch {
	case from > t.position:
		return nil, t.position, true
	case from <= r.floor:
		return nil, 0, false
	}
	first, bytesMax := r.search(from), t.BytesMax(once)
	bytes, looked := 0, 0
	for looked < ringCommitsMax && first+looked < r.length && bytes < bytesMax {
		had := len(events)
		events = sel.selected(events, r.at(first+looked))
		for _, event := range events[had:] {
			bytes += memorysize.Event(event)
		}
		looked++
	}
	if first+looked < r.length {
		return events, r.at(first + looked - 1).Revision, true
	}
	return events, t.position, true
}

// BytesMax is where a delivery to a watch that reads on ends, at the end of a revision.
func (t *Table) BytesMax(once bool) int {
	if once {
		return 1
	}
	return t.deliveryBytesMax
}
