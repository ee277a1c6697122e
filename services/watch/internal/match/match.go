package match

import (
	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/memorysize"
)

// match matches commits, which lead to revision through, and moves the position there. It leaves out commits that
// were matched before.
//
// Events gather in the groups that they concern, and go to a group's watches when all commits are matched: so a watch
// hears of a batch once, however many of its commits concern it, and always of whole revisions.
func (n *Node) match(commits []*consensusv1.Commit, through int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.matchAllLocked(commits, through)
}

func (n *Node) matchAllLocked(commits []*consensusv1.Commit, through int64) {
	after := n.Position()
	if through <= after {
		return
	}
	for _, commit := range commits {
		if commit.Revision <= after {
			continue
		}
		n.mu.ring.add(commit)
		if commit.Tree != nil {
			n.matchTreeLocked(commit)
		}
		for _, event := range commit.Events {
			n.matchLocked(event)
		}
		if n.mu.full {
			n.deliverFullLocked(after, commit.Revision)
		}
	}
	for _, g := range n.mu.touched {
		g.touched = false
		if len(g.pending) > 0 {
			n.deliverLocked(g, after, through)
		}
	}
	clear(n.mu.touched)
	n.mu.touched = n.mu.touched[:0]
	n.moveLocked(through)
}

// matchLocked adds an event to the groups that want it.
func (n *Node) matchLocked(event *consensusv1.Event) {
	var stripped *consensusv1.Event // made once for all groups that do not ask for the previous version
	for _, s := range n.mu.index.match(event.Kv.Key) {
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
			n.addLocked(g, shown)
		}
	}
}

// addLocked adds an event to what is pending for a group.
func (n *Node) addLocked(g *group, shown *consensusv1.Event) {
	g.pending = append(g.pending, shown)
	g.bytes += memorysize.Event(shown)
	n.mu.full = n.mu.full || g.bytes >= n.cfg.DeliveryBytesMax
	if !g.touched {
		g.touched = true
		n.mu.touched = append(n.mu.touched, g)
	}
}

// matchTreeLocked adds what a commit means to the tree to the groups that want it, each once, before its events.
func (n *Node) matchTreeLocked(commit *consensusv1.Commit) {
	var event *consensusv1.Event // made once for all
	tell := func(key []byte, t consensusv1.Event_Type) {
		for _, s := range n.mu.index.match(key) {
			for _, g := range s.groups {
				if !g.sel.tree || g.treeAt == commit.Revision || t != consensusv1.Event_TREE && !g.sel.wantsType(t) {
					continue
				}
				if event == nil {
					event = treeEvent(commit)
				}
				g.treeAt = commit.Revision
				n.addLocked(g, event)
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

// deliverFullLocked delivers, at the end of a revision, what has grown large enough.
func (n *Node) deliverFullLocked(after, through int64) {
	n.mu.full = false
	for _, g := range n.mu.touched {
		if g.bytes >= n.cfg.DeliveryBytesMax {
			n.deliverLocked(g, after, through)
		}
	}
}

// deliverLocked queues a group's pending events for its watches. One whose session has no room is put behind.
func (n *Node) deliverLocked(g *group, after, through int64) {
	f := g.take(after, through)
	for i := 0; i < len(g.members); {
		w := g.members[i]
		if w.next > f.last {
			i++ // begins later
			continue
		}
		shown := f
		if w.next > f.first {
			shown = f.from(w.next)
		}
		w.quiet = false
		e := &entry{
			delivery: delivery.Delivery{ID: w.id, Batch: shown.batch, Revision: through},
			watch:    w,
			after:    after,
			bytes:    shown.bytes,
		}
		n.counts.pending.Add(int64(e.events()))
		if w.session.push(e) {
			i++
			continue
		}
		n.counts.pending.Add(-int64(e.events()))
		n.counts.slowed.Add(1)
		n.putBehindLocked(w, shown.first) // another member takes its place
	}
}

// putBehindLocked makes a live watch read on for itself from a revision. One of an API node ends instead.
func (n *Node) putBehindLocked(w *watch, next int64) {
	if w.session.attached {
		n.lapseLocked(w, next-1)
		return
	}
	n.leaveLocked(w)
	n.counts.behind.Add(1)
	w.session.lineUp(w, next)
}
