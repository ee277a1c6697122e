package match

import (
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/interval"
)

// Selector says what a watch wants to see. Watches with equal selectors see the same events and share their batches.
type Selector struct {
	span     interval.Range
	point    bool // span holds one key only, span.From
	noPut    bool
	noDelete bool
	prevKV   bool
	tree     bool // what a revision means to the tree, too
}

// Selection is a request for events, of a watch or of an API node.
type Selection interface {
	GetKey() []byte
	GetRangeEnd() []byte
	GetNoPut() bool
	GetNoDelete() bool
	GetPrevKv() bool
	GetTree() bool
}

// SelectorOf reads a request: an empty range end means the key alone, a single zero byte everything from it on.
func SelectorOf(w Selection) Selector {
	s := Selector{noPut: w.GetNoPut(), noDelete: w.GetNoDelete(), prevKV: w.GetPrevKv(), tree: w.GetTree()}
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

// Request returns the key and range end that select the span.
func (s Selector) Request() (key, rangeEnd []byte) {
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
func (s Selector) wantsType(t consensusv1.Event_Type) bool {
	if t == consensusv1.Event_DELETE {
		return !s.noDelete
	}
	return !s.noPut
}

// wants tells whether the selector selects an event.
func (s Selector) wants(event *consensusv1.Event) bool {
	if !s.wantsType(event.Type) {
		return false
	}
	return s.spans(event.Kv.Key)
}

// spans tells whether a key is one that the selector watches.
func (s Selector) spans(key []byte) bool {
	if s.point {
		return string(key) == s.span.From
	}
	return s.span.Contains(key)
}

// wantsTree tells whether the selector selects what a commit means to the tree: if one of its events is wanted, or a path
// is watched that changed without an event.
func (s Selector) wantsTree(commit *consensusv1.Commit) bool {
	if !s.tree || commit.Tree == nil {
		return false
	}
	return slices.ContainsFunc(commit.Events, s.wants) || slices.ContainsFunc(treePaths(commit.Tree), s.spans)
}

// Selected returns what the selector's watches are to see of commits.
func (s Selector) Selected(commits []*consensusv1.Commit) (events []*consensusv1.Event) {
	for _, commit := range commits {
		events = s.selected(events, commit)
	}
	return events
}

// selected appends what the selector's watches are to see of a commit.
func (s Selector) selected(events []*consensusv1.Event, commit *consensusv1.Commit) []*consensusv1.Event {
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
		Type: consensusv1.Event_TREE, Kv: &mvccpb.KeyValue{ModRevision: commit.Revision}, Tree: commit.Tree,
	}
}

// shown returns an event as the selector's watches are to see it. It does not change event, which others share.
func (s Selector) shown(event *consensusv1.Event) *consensusv1.Event {
	if s.prevKV || event.PrevKv == nil {
		return event
	}
	return bare(event)
}

// bare returns an event without the version that it replaced.
func bare(event *consensusv1.Event) *consensusv1.Event {
	return &consensusv1.Event{Type: event.Type, Kv: event.Kv}
}
