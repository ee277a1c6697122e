package match

import (
	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// group is the live watches of one selector. What they have in common is done once: matching, copying, and, by way of
// the batch that they share, encoding.
type group struct {
	sel     Selector
	members []*Watch
	// pending gathers the events of the commits that are being matched. It is handed on, never reused.
	pending []*consensusv1.Event
	bytes   int   // the weight of pending
	touched bool  // listed as having had pending events since the last batch
	treeAt  int64 // the revision of the newest pending event of the tree
}

func (g *group) join(w *Watch) {
	w.group, w.place = g, len(g.members)
	g.members = append(g.members, w)
}

func (g *group) leave(w *Watch) {
	last := len(g.members) - 1
	moved := g.members[last]
	g.members[w.place], moved.place = moved, w.place
	g.members[last] = nil
	g.members = g.members[:last]
	w.group = nil
}

// find is what a selector found in a run of commits, on its way to the watches of the selector.
type find struct {
	batch *delivery.Batch
	// bytes is the weight of the batch.
	bytes int
	// first and last are the revisions of its first and last events.
	first, last int64
	// after is a revision up to which all was queued before, and through one that the watches are told everything of.
	after, through int64
}

// take turns what is pending into a find.
func (g *group) take(after, through int64) find {
	f := find{
		batch:   delivery.NewBatch(g.pending),
		bytes:   g.bytes,
		first:   g.pending[0].Kv.ModRevision,
		last:    g.pending[len(g.pending)-1].Kv.ModRevision,
		after:   after,
		through: through,
	}
	g.pending, g.bytes = nil, 0
	return f
}

// from returns the part of a find at or after a revision: watches may begin in the middle of it.
func (f find) from(revision int64) find {
	f.batch = f.batch.From(revision)
	f.first = f.batch.First()
	return f
}
