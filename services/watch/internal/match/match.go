package match

import (
	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/memorysize"
)

// Match matches commits, which lead to revision through, and moves the position there. It leaves out commits that
// were matched before.
//
// Events gather in the groups that they concern, and go to a group's watches when all commits are matched: so a watch
// hears of a batch once, however many of its commits concern it, and always of whole revisions.
func (t *Table) Match(commits []*consensusv1.Commit, through int64) {
	after := t.position
	if through <= after {
		return
	}
	for _, commit := range commits {
		if commit.Revision <= after {
			continue
		}
		t.ring.add(commit)
		if commit.Tree != nil {
			t.matchTree(commit)
		}
		for _, event := range commit.Events {
			t.matchEvent(event)
		}
		if t.full {
			t.deliverFull(after, commit.Revision)
		}
	}
	for _, g := range t.touched {
		g.touched = false
		if len(g.pending) > 0 {
			t.deliver(g, after, through)
		}
	}
	clear(t.touched)
	t.touched = t.touched[:0]
	t.position = through
}

// matchEvent adds an event to the groups that want it.
func (t *Table) matchEvent(event *consensusv1.Event) {
	var stripped *consensusv1.Event // made once for all groups that do not ask for the previous version
	for _, s := range t.index.match(event.Kv.Key) {
		for _, g := range s.groups {
			if !g.sel.wantsType(event.Type) {
				continue
			}
			shown := event
			if !g.sel.prevKV && event.PrevKv != nil {
				if stripped == nil {
					stripped = bare(event)
				}
				shown = stripped
			}
			t.add(g, shown)
		}
	}
}

// add adds an event to what is pending for a group.
func (t *Table) add(g *group, shown *consensusv1.Event) {
	g.pending = append(g.pending, shown)
	g.bytes += memorysize.Event(shown)
	t.full = t.full || g.bytes >= t.deliveryBytesMax
	if !g.touched {
		g.touched = true
		t.touched = append(t.touched, g)
	}
}

// matchTree adds what a commit means to the tree to the groups that want it, each once, before its events.
func (t *Table) matchTree(commit *consensusv1.Commit) {
	var event *consensusv1.Event // made once for all
	tell := func(key []byte, kind consensusv1.Event_Type) {
		for _, s := range t.index.match(key) {
			for _, g := range s.groups {
				if !g.sel.tree || g.treeAt == commit.Revision || kind != consensusv1.Event_TREE && !g.sel.wantsType(kind) {
					continue
				}
				if event == nil {
					event = treeEvent(commit)
				}
				g.treeAt = commit.Revision
				t.add(g, event)
			}
		}
	}
	for _, path := range treePaths(commit.Tree) {
		tell(path, consensusv1.Event_TREE)
	}
	for _, event := range commit.Events {
		tell(event.Kv.Key, event.Type)
	}
}

// deliverFull delivers, at the end of a revision, what has grown large enough.
func (t *Table) deliverFull(after, through int64) {
	t.full = false
	for _, g := range t.touched {
		if g.bytes >= t.deliveryBytesMax {
			t.deliver(g, after, through)
		}
	}
}

// deliver pushes a group's pending events to its watches. One whose outlet has no room is put behind.
func (t *Table) deliver(g *group, after, through int64) {
	f := g.take(after, through)
	for i := 0; i < len(g.members); {
		w := g.members[i]
		if w.Next > f.last {
			i++ // begins later
			continue
		}
		shown := f
		if w.Next > f.first {
			shown = f.from(w.Next)
		}
		w.quiet = false
		e := &Entry{
			Delivery: delivery.Delivery{ID: w.ID, Batch: shown.batch, Revision: through},
			Watch:    w,
			After:    after,
			Bytes:    shown.bytes,
		}
		if w.Out.Push(e) {
			t.deliveries++
			i++
			continue
		}
		t.slowed++
		t.putBehind(w, shown.first) // another member takes its place
	}
}
