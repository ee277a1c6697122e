package groups

import "github.com/quoratedb/quorate/pkg/delivery"

// Stretch is a part of the past that a watch has to read.
type Stretch struct {
	Sel      Selector
	From, To int64
	// Vetted says that From was not compacted when the watch began, Once that the first revision is enough.
	Vetted, Once bool
	Node         *Node
}

// CatchUp has a watch that is behind, and out of its session's line, go live if it can with what is in memory, and otherwise
// returns what it has to read.
func (t *Table) CatchUp(w *Watch) *Stretch {
	g := w.group
	switch {
	case w.Ended():
		return nil
	case !g.joined:
		g.parked[w] = struct{}{}
		return nil
	case w.Next > g.told():
		t.enter(w)
		return nil
	}
	kept, enough := g.since(w.Next)
	if !enough || !w.vetted {
		return &Stretch{Sel: g.sel, From: w.Next, To: g.told(), Vetted: w.vetted, Once: w.Once, Node: g.node}
	}
	for _, d := range kept {
		if !t.pass(w, d.batch, max(d.before, w.Next-1), d.through) {
			w.Out.LineUp(w)
			return nil
		}
	}
	w.Next, w.told = max(w.Next, g.told()+1), max(w.told, g.told())
	t.enter(w)
	return nil
}

// Advance takes in what was read for a watch: events, nil for none, and up to where they are everything. It returns what of
// them is to be delivered.
func (t *Table) Advance(w *Watch, batch *delivery.Batch, through int64) *delivery.Delivery {
	if w.Ended() {
		return nil
	}
	var d *delivery.Delivery
	if batch != nil {
		if shown := batch.From(w.Next); shown != nil {
			d = &delivery.Delivery{ID: w.ID, Batch: shown, Revision: through}
		}
	}
	w.vetted, w.Next, w.told = true, max(w.Next, through+1), max(w.told, through)
	switch g := w.group; {
	case !g.joined:
		g.parked[w] = struct{}{}
	case w.Next > g.told():
		t.enter(w)
	default:
		w.Out.LineUp(w)
	}
	return d
}
