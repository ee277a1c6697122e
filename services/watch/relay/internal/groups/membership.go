package groups

import "github.com/quoratedb/quorate/pkg/delivery"

// join takes in that the group's subscription has begun after a revision. Watches that need nothing from before
// are live with that.
func (t *Table) join(g *group, revision int64) {
	g.joined, g.through = true, revision
	for w := range g.parked {
		if w.Next > g.told() {
			w.vetted = true // what is still to come is not compacted
			t.enter(w)
			continue
		}
		delete(g.parked, w)
		w.Out.LineUp(w)
	}
}

func (t *Table) enter(w *Watch) {
	w.group.enter(w)
	t.behind--
}

// leaveNode ends the group's subscription, for whatever reason. What its members were told stays.
func (t *Table) leaveNode(g *group) {
	told := g.told()
	for len(g.members) > 0 {
		w := g.members[len(g.members)-1]
		g.exit(w)
		w.Next, w.told = max(w.Next, told+1), max(w.told, told)
		g.parked[w] = struct{}{}
		t.behind++
	}
	t.recent.forget(g)
	if g.node != nil {
		delete(g.node.groups, g.id)
	}
	g.through, g.joined, g.node = told, false, nil
}

// deliver hands a stretch of events to the members, who are told everything up to through with it. One whose
// session has no room is put behind.
func (t *Table) deliver(g *group, batch *delivery.Batch, through int64) {
	before := g.told()
	t.recent.add(g, &recent{group: g, batch: batch, before: before, through: through})
	g.through = max(g.through, through)
	for i := 0; i < len(g.members); {
		w := g.members[i]
		if t.pass(w, batch, before, through) {
			i++
			continue
		}
		t.counts.Slowed++
		t.behind++
		g.exit(w) // another member takes its place
		w.Next = max(w.Next, before+1)
		w.Out.LineUp(w)
	}
}

// pass queues for a watch what it wants of a stretch that follows revision before, and moves it on. It does nothing
// and tells false if there is no room.
func (t *Table) pass(w *Watch, batch *delivery.Batch, before, through int64) bool {
	if shown := batch.From(w.Next); shown != nil {
		e := &Entry{
			Delivery: delivery.Delivery{ID: w.ID, Batch: shown, Revision: through},
			Watch:    w,
			After:    before,
			Bytes:    weight(shown),
		}
		if !w.Out.Push(e) {
			return false
		}
		w.quiet = false
	}
	w.Next, w.told = max(w.Next, through+1), max(w.told, through)
	return true
}
