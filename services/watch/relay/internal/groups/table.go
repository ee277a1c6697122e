package groups

import (
	"time"

	"github.com/quoratedb/quorate/pkg/delivery"
)

// Table holds the watches of an API node's clients, their groups, and the watch nodes. Whoever owns it calls one method at a
// time.
//
// A watch's cursor alone decides what of a delivery it gets. So a group may leave one node and join another at any revision,
// lower or higher: what a watch was told it passes over, and where something lies between the cursor and what the group is told,
// the watch is behind and reads that first.
type Table struct {
	groups map[Selector]*group
	nodes  map[*Node]struct{}
	recent recents
	// watches counts all, behind those that are not live.
	watches, behind int
	// notified are the watches that want progress.
	notified map[*Watch]struct{}
	counts   Counts
}

// Counts are what has happened so far.
type Counts struct {
	// Slowed watches fell behind because their session had no room.
	Slowed int64
	// Moved groups left a node for another, Lapsed ones were given up by theirs.
	Moved, Lapsed int64
	// Lost nodes were up.
	Lost int64
}

// NewTable returns a table without watches and nodes. The recent deliveries in memory take recentBytesMax.
func NewTable(recentBytesMax int) *Table {
	return &Table{
		groups:   make(map[Selector]*group),
		nodes:    make(map[*Node]struct{}),
		recent:   recents{bytesMax: recentBytesMax},
		notified: make(map[*Watch]struct{}),
	}
}

// Len is how many watches there are, Behind how many of them are not live, Groups how many differ.
func (t *Table) Len() int { return t.watches }

// Behind is for Len.
func (t *Table) Behind() int { return t.behind }

// Groups is for Len.
func (t *Table) Groups() int { return len(t.groups) }

// NodesUp is how many nodes are up.
func (t *Table) NodesUp() (up int) {
	for n := range t.nodes {
		if n.up {
			up++
		}
	}
	return up
}

// Counts tells what has happened so far.
func (t *Table) Counts() Counts { return t.counts }

// AddNode takes in a node, RemoveNode forgets one, which gets no new groups. Those that it has it keeps until it is Lost.
func (t *Table) AddNode(n *Node) { t.nodes[n] = struct{}{} }

// RemoveNode is for AddNode.
func (t *Table) RemoveNode(n *Node) { delete(t.nodes, n) }

// Add takes in a watch.
func (t *Table) Add(w *Watch, sel Selector) {
	g := t.groups[sel]
	if g == nil {
		g = &group{sel: sel, parked: make(map[*Watch]struct{})}
		t.groups[sel] = g
		t.place(g)
	}
	g.watches++
	w.group = g
	if w.Notify {
		t.notified[w] = struct{}{}
	}
	t.watches++
	t.behind++
	switch {
	case !g.joined:
		g.parked[w] = struct{}{}
	case w.Next > g.told():
		w.vetted = true
		t.enter(w)
	default:
		w.Out.LineUp(w)
	}
}

// End takes a watch from wherever it is, and with the last one its group. It may be called twice.
func (t *Table) End(w *Watch) {
	if w.Ended() {
		return
	}
	w.End()
	g := w.group
	delete(t.notified, w)
	t.watches--
	if w.live {
		g.exit(w)
	} else {
		t.behind--
		delete(g.parked, w)
	}
	if g.watches--; g.watches > 0 {
		return
	}
	if g.node != nil {
		g.node.leave(g.id)
	}
	t.leaveNode(g)
	delete(t.groups, g.sel)
}

// Joined takes in that a subscription has begun at a node after a revision.
func (t *Table) Joined(n *Node, id, revision int64) {
	if g := n.groups[id]; g != nil { // else it has left
		t.join(g, revision)
	}
}

// Lapsed takes in that a node has given a subscription up. It begins again.
func (t *Table) Lapsed(n *Node, id int64) {
	if g := n.groups[id]; g != nil {
		t.counts.Lapsed++
		t.leaveNode(g)
		n.subscribe(g)
	}
}

// Deliver hands on what a node tells of a subscription: events, with which everything up to through is told.
func (t *Table) Deliver(n *Node, id int64, batch *delivery.Batch, through int64) {
	if g := n.groups[id]; g != nil {
		t.deliver(g, batch, through)
	}
}

// Heard takes in a node's position and number, and tells whether the node has come up with that.
func (t *Table) Heard(n *Node, position int64, number uint64, now time.Time) (came bool) {
	n.position = position
	if n.up {
		return false
	}
	n.up, n.settled, n.since, n.number = true, false, now, number
	for _, g := range t.groups {
		if g.node == nil {
			t.place(g)
		}
	}
	return true
}

// Lost moves the groups of a node to others, and tells whether it was up.
func (t *Table) Lost(n *Node) (was bool) {
	if was = n.up; was {
		t.counts.Lost++
	}
	n.up = false
	for _, g := range n.groups {
		t.counts.Moved++
		t.leaveNode(g)
		t.place(g)
	}
	n.position = 0
	return was
}

// TellQuiet queues progress for the watches that asked for it and to which nothing was delivered since the last time.
func (t *Table) TellQuiet() {
	for w := range t.notified {
		switch {
		case !w.live:
		case !w.quiet:
			w.quiet = true
		default:
			// If there is no room, there is something to deliver, and no need to say that there is nothing.
			told := w.toldTo()
			w.Out.Push(&Entry{Delivery: delivery.Delivery{ID: w.ID, Revision: told}, Watch: w, After: told})
		}
	}
}
