package relay

import (
	"github.com/quoratedb/quorate/pkg/delivery"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/sessionqueue"
)

// selector says what a watch wants to see. Watches with equal selectors form a group.
type selector struct {
	key, rangeEnd                 string
	noPut, noDelete, prevKV, tree bool
}

func selectorOf(w *watchv1.Watch) selector {
	return selector{string(w.Key), string(w.RangeEnd), w.NoPut, w.NoDelete, w.PrevKv, w.Tree}
}

func (s selector) request() *watchv1.Selection {
	return &watchv1.Selection{
		Key: []byte(s.key), RangeEnd: []byte(s.rangeEnd), NoPut: s.noPut, NoDelete: s.noDelete, PrevKv: s.prevKV, Tree: s.tree,
	}
}

// watch is one client's: everything before next was queued for the client, or handed to it, or lies before what it asked
// for.
//
// It is in one of three states. A live watch is a member of its group. One that is behind stands in its session's line,
// and whoever calls Next reads on for it; or, while the group has no node, it is parked with the group. An ended watch is
// nowhere, but deliveries of it may be queued.
//
// id, session, group, notify, once never change; Place is under the session's lock, but that the watch has ended is written
// under both locks and read under either; and all else is under the relay's.
type watch struct {
	sessionqueue.Place
	id      int64
	session *Session
	group   *group
	notify  bool
	once    bool // the first revision is enough

	live  bool
	place int // among the group's members
	// told is how far the watch was told everything, wherever its group was then: a group may join a node that is behind.
	told int64
	// quiet says that nothing was delivered since the last look at who is due for progress.
	quiet bool
	next  int64
	// vetted says that next was not compacted when the watch began, as far as the store knows.
	vetted bool
}

// group is the watches of one selector.
type group struct {
	sel     selector
	members []*watch            // live
	parked  map[*watch]struct{} // behind, until there is a node
	watches int                 // all, however they are
	recent  []*recent           // gapless, up to through

	// link is to the node that the group's subscription is at, nil while there is none; id is the subscription's there.
	link *link
	id   int64
	// joined says that the node has answered: members have been told everything after where it joined and up to told.
	joined  bool
	through int64
}

// told is the revision up to which the members have been told everything. A node that says how far it is speaks for
// every group that had joined.
func (g *group) told() int64 {
	if g.joined {
		return max(g.through, g.link.position)
	}
	return g.through
}

// toldTo is how far a live watch was told everything.
func (w *watch) toldTo() int64 { return max(w.told, w.group.told()) }

// enter makes a watch live.
func (g *group) enter(w *watch) {
	delete(g.parked, w)
	w.live, w.quiet, w.place = true, false, len(g.members)
	g.members = append(g.members, w)
}

// exit takes a live watch out.
func (g *group) exit(w *watch) {
	last := len(g.members) - 1
	moved := g.members[last]
	g.members[w.place], moved.place = moved, w.place
	g.members[last] = nil
	g.members = g.members[:last]
	w.live = false
}

// joinLocked takes in that the group's subscription has begun after a revision. Watches that need nothing from before
// are live with that.
func (r *Relay) joinLocked(g *group, revision int64) {
	g.joined, g.through = true, revision
	for w := range g.parked {
		if w.next > g.told() {
			w.vetted = true // what is still to come is not compacted
			r.enterLocked(w)
			continue
		}
		delete(g.parked, w)
		w.session.lineUp(w)
	}
}

func (r *Relay) enterLocked(w *watch) {
	w.group.enter(w)
	r.mu.behind--
}

// leaveNodeLocked ends the group's subscription, for whatever reason. What its members were told stays.
func (r *Relay) leaveNodeLocked(g *group) {
	told := g.told()
	for len(g.members) > 0 {
		w := g.members[len(g.members)-1]
		g.exit(w)
		w.next, w.told = max(w.next, told+1), max(w.told, told)
		g.parked[w] = struct{}{}
		r.mu.behind++
	}
	r.mu.recent.forget(g)
	if g.link != nil {
		delete(g.link.groups, g.id)
	}
	g.through, g.joined, g.link = told, false, nil
}

// deliverLocked hands a stretch of events to the members, who are told everything up to through with it. One whose
// session has no room is put behind.
func (r *Relay) deliverLocked(g *group, batch *delivery.Batch, through int64) {
	before := g.told()
	r.mu.recent.add(g, &recent{group: g, batch: batch, before: before, through: through})
	g.through = max(g.through, through)
	for i := 0; i < len(g.members); {
		w := g.members[i]
		if r.passLocked(w, batch, before, through) {
			i++
			continue
		}
		r.counts.slowed.Add(1)
		r.mu.behind++
		g.exit(w) // another member takes its place
		w.next = max(w.next, before+1)
		w.session.lineUp(w)
	}
}

// passLocked queues for a watch what it wants of a stretch that follows revision before, and moves it on. It does nothing
// and tells false if there is no room.
func (r *Relay) passLocked(w *watch, batch *delivery.Batch, before, through int64) bool {
	if shown := batch.From(w.next); shown != nil {
		e := &entry{
			Delivery: delivery.Delivery{ID: w.id, Batch: shown, Revision: through},
			Watch:    w,
			After:    before,
			Bytes:    weight(shown),
		}
		if !w.session.push(e) {
			return false
		}
		w.quiet = false
	}
	w.next, w.told = max(w.next, through+1), max(w.told, through)
	return true
}

// entryBytes is what a queued delivery takes beside its events.
const entryBytes = 128

func weight(b *delivery.Batch) int { return entryBytes + len(b.Encoded()) }
