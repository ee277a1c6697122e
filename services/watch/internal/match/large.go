package match

import consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"

// A revision may have a million events. It is one step all the same: watches get all of a revision at once. So it is read
// in parts, and of each is held what a watch wants: what nobody does takes no memory.

// largeFailuresMax is how many reads of one part may fail in turn, which takes some eight seconds: longer than an election. A part that
// cannot be read at all must not keep the node from all revisions behind it.
const largeFailuresMax = 12

// large is a revision whose events are too many to be held, while it is read.
type large struct {
	kept *consensusv1.Commit
	// known are the watches that were live when the reading began.
	known map[*Watch]bool
	// sub is the next event to read, failures how many reads of it have failed.
	sub      int64
	failures int
}

// newLarge begins to read a revision. The position must be right before it.
func newLarge(t *Table, revision int64) *large {
	l := &large{kept: &consensusv1.Commit{Revision: revision}, known: make(map[*Watch]bool)}
	for _, w := range t.liveBefore(revision) {
		l.known[w] = true
	}
	return l
}

func (l *large) request() *consensusv1.HistoryRequest {
	return &consensusv1.HistoryRequest{FromRevision: l.kept.Revision, ToRevision: l.kept.Revision, Parts: true, FromSub: l.sub}
}

// take keeps what of a part concerns a live watch, and tells whether it was the last.
func (l *large) take(t *Table, resp *consensusv1.HistoryResponse) (last bool) {
	for _, part := range resp.Commits {
		if part.Tree != nil {
			l.kept.Tree = part.Tree
		}
		for _, event := range part.Events {
			if t.watched(event.Kv.Key) {
				l.kept.Events = append(l.kept.Events, event)
			}
		}
	}
	l.sub, l.failures = resp.NextSub, 0
	return l.sub == 0
}

// settle matches what was kept. A watch that turned live while it was read may miss some of it: it reads for itself.
func (l *large) settle(t *Table) {
	revision := l.kept.Revision
	if revision <= t.position {
		return
	}
	for _, w := range t.liveBefore(revision) {
		if !l.known[w] {
			t.putBehind(w, revision)
		}
	}
	t.Match([]*consensusv1.Commit{l.kept}, revision)
	t.ring.reset(revision) // it must not tell later watches that this was all
}
