package v2

import (
	"slices"
	"strings"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/treepath"
)

// place is what a watcher watches.
type place struct {
	path      string
	recursive bool
}

// keys returns the range of keys that holds all that is of interest. For a recursive watcher it holds more, since "/a-b"
// lies between "/a" and "/a/b": concerns sorts that out.
func (p place) keys() (key, end []byte) {
	switch {
	case !p.recursive:
		return []byte(p.path), nil
	case p.path == "/":
		return []byte("/"), []byte("0")
	}
	return []byte(p.path), []byte(p.path + "0")
}

// concerns tells whether the watcher is to hear of a node at a path: it watches the node itself, or is recursive and
// above it, with nothing hidden in between.
func (p place) concerns(path string) bool {
	if path == p.path {
		return true
	}
	below, ok := isBelow(path, p.path)
	return ok && p.recursive && !strings.HasPrefix(below, "_") && !strings.Contains(below, "/_")
}

// isBelow tells whether a path lies below a directory, and returns the rest of it.
func isBelow(path, dir string) (rest string, ok bool) {
	if dir == "/" {
		return strings.TrimPrefix(path, "/"), len(path) > 1
	}
	return strings.CutPrefix(path, dir+"/")
}

// isFile tells whether a key is the path of a file. Other keys are not in the tree.
func isFile(key []byte) bool { return len(key) > len(treepath.Root) && treepath.Valid(key) }

// of returns what the watcher is to hear of one revision, whose events are given.
func (p place) of(events []*consensusv1.Event, now time.Time) []*event {
	action := consensusv1.TreeAction_TREE_ACTION_UNSPECIFIED
	if len(events) > 0 && events[0].GetType() == consensusv1.Event_TREE {
		change := events[0].GetTree()
		events = events[1:]
		if change.GetNode() != nil {
			return p.ofChange(change, events, now)
		}
		action = change.GetAction()
	}
	var made []*event
	for _, e := range events {
		if isFile(e.GetKv().GetKey()) && p.concerns(string(e.GetKv().GetKey())) {
			made = append(made, ofKey(action, e, now))
		}
	}
	return made
}

// ofChange returns the one event of a change of the tree, if it is of interest.
func (p place) ofChange(change *consensusv1.TreeChange, events []*consensusv1.Event, now time.Time) []*event {
	path := string(change.GetNode().GetPath())
	if change.GetSilent() || !p.concerns(path) && !p.wentWith(path, change, events) {
		return nil
	}
	made := newEvent(change.GetAction(), change.GetNode(), change.GetPrevNode(), now)
	for _, e := range events {
		if string(e.GetKv().GetKey()) != path {
			continue
		}
		if made.Node.Value != nil {
			made.Node.Value = new(string(e.GetKv().GetValue()))
		}
		if made.Prev != nil && made.Prev.Value != nil {
			made.Prev.Value = new(string(e.GetPrevKv().GetValue()))
		}
	}
	return []*event{made}
}

// wentWith tells whether what is watched was deleted with a directory above it.
func (p place) wentWith(dir string, change *consensusv1.TreeChange, events []*consensusv1.Event) bool {
	if _, below := isBelow(p.path, dir); !below || !deletes(change.GetAction()) {
		return false
	}
	return slices.ContainsFunc(change.GetRemoved(), func(path []byte) bool { return string(path) == p.path }) ||
		slices.ContainsFunc(events, func(e *consensusv1.Event) bool { return string(e.GetKv().GetKey()) == p.path })
}

// ofKey returns the event of a change by others, who know keys only: a put is a set, and a delete a delete unless the
// revision says otherwise.
func ofKey(action consensusv1.TreeAction, e *consensusv1.Event, now time.Time) *event {
	kv, was := e.GetKv(), e.GetPrevKv()
	to := &consensusv1.TreeNode{
		Path: kv.GetKey(), Value: kv.GetValue(), ModRevision: kv.GetModRevision(), CreateRevision: kv.GetCreateRevision(),
	}
	if e.GetType() == consensusv1.Event_PUT {
		action = consensusv1.TreeAction_TREE_ACTION_SET
	} else {
		to.CreateRevision = was.GetCreateRevision()
		if action == consensusv1.TreeAction_TREE_ACTION_UNSPECIFIED {
			action = consensusv1.TreeAction_TREE_ACTION_DELETE
		}
	}
	var from *consensusv1.TreeNode
	if was != nil {
		from = &consensusv1.TreeNode{
			Path: was.GetKey(), Value: was.GetValue(), ModRevision: was.GetModRevision(), CreateRevision: was.GetCreateRevision(),
		}
	}
	return newEvent(action, to, from, now)
}

// join makes one event of several of one revision, for an answer that can hold only one: of the directory that holds them
// all, with the nodes in it. Only changes by others, who write several keys at once, need it.
func (p place) join(events []*event) *event {
	if len(events) == 1 {
		return events[0]
	}
	joined := &event{Action: events[0].Action, Node: &node{Key: p.path, Dir: true, Modified: events[0].Node.Modified}}
	if joined.Node.Key == "/" {
		joined.Node.Key = ""
	}
	for _, e := range events {
		if e.Action != joined.Action {
			joined.Action = actionSet
		}
		joined.Node.Nodes = append(joined.Node.Nodes, e.Node)
		if e.Prev == nil {
			continue
		}
		if joined.Prev == nil {
			joined.Prev = &node{Key: joined.Node.Key, Dir: true}
		}
		joined.Prev.Nodes = append(joined.Prev.Nodes, e.Prev)
	}
	return joined
}
