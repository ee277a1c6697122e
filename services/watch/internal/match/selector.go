package match

import (
	"slices"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/interval"
)

// selector says what a watch wants to see. Watches with equal selectors see the same events and share their batches.
type selector struct {
	span     interval.Range
	point    bool // span holds one key only, span.From
	noPut    bool
	noDelete bool
	prevKV   bool
	tree     bool // what a revision means to the tree, too
}

// selection is a request for events, of a watch or of an API node.
type selection interface {
	GetKey() []byte
	GetRangeEnd() []byte
	GetNoPut() bool
	GetNoDelete() bool
	GetPrevKv() bool
	GetTree() bool
}

// selectorOf reads a request: an empty range end means the key alone, a single zero byte everything from it on.
func selectorOf(w selection) selector {
	s := selector{noPut: w.GetNoPut(), noDelete: w.GetNoDelete(), prevKV: w.GetPrevKv(), tree: w.GetTree()}
	key := string(w.GetKey())
	switch end := string(w.GetRangeEnd()); end {
	case "":
		s.point = true
		s.span = interval.Range{From: key, To: key + "\x00"}
	case "\x00":
		s.span = interval.Range{From: key, Unbounded: true}
	default:
		s.span = interval.Range{From: key, To: end}
	}
	return s
}

// request returns the key and range end that select the span.
func (s selector) request() (key, rangeEnd []byte) {
	switch {
	case s.point:
		return []byte(s.span.From), nil
	case s.span.Unbounded:
		return []byte(s.span.From), []byte{0}
	default:
		return []byte(s.span.From), []byte(s.span.To)
	}
}

// wantsType tells whether the filters let an event of this type pass.
func (s selector) wantsType(t consensusv1.Event_Type) bool {
	if t == consensusv1.Event_DELETE {
		return !s.noDelete
	}
	return !s.noPut
}

// wants tells whether the selector selects an event.
func (s selector) wants(event *consensusv1.Event) bool {
	if !s.wantsType(event.Type) {
		return false
	}
	return s.spans(event.Kv.Key)
}

// spans tells whether a key is one that the selector watches.
func (s selector) spans(key []byte) bool {
	if s.point {
		return string(key) == s.span.From
	}
	return s.span.Contains(key)
}

// wantsTree tells whether the selector selects what a commit means to the tree: if one of its events is wanted, or a path
// is watched that changed without an event.
func (s selector) wantsTree(commit *consensusv1.Commit) bool {
	if !s.tree || commit.Tree == nil {
		return false
	}
	return slices.ContainsFunc(commit.Events, s.wants) || slices.ContainsFunc(treePaths(commit.Tree), s.spans)
}

// selected appends what the selector's watches are to see of a commit.
func (s selector) selected(events []*consensusv1.Event, commit *consensusv1.Commit) []*consensusv1.Event {
	if s.wantsTree(commit) {
		events = append(events, treeEvent(commit))
	}
	for _, event := range commit.Events {
		if s.wants(event) {
			events = append(events, s.shown(event))
		}
	}
	return events
}

// treePaths returns the paths that a change of the tree concerns, beside those that its revision's events are for.
func treePaths(tree *consensusv1.TreeChange) [][]byte {
	if tree.Node == nil {
		return nil
	}
	return append([][]byte{tree.Node.Path}, tree.Removed...)
}

// treeEvent makes an event of what a commit means to the tree.
func treeEvent(commit *consensusv1.Commit) *consensusv1.Event {
	return &consensusv1.Event{
		Type: consensusv1.Event_TREE, Kv: &consensusv1.KeyValue{ModRevision: commit.Revision}, Tree: commit.Tree,
	}
}

// shown returns an event as the selector's watches are to see it. It does not change event, which others share.
func (s selector) shown(event *consensusv1.Event) *consensusv1.Event {
	if s.prevKV || event.PrevKv == nil {
		return event
	}
	return bare(event)
}

// bare returns an event without the version that it replaced.
func bare(event *consensusv1.Event) *consensusv1.Event {
	return &consensusv1.Event{Type: event.Type, Kv: event.Kv}
}
