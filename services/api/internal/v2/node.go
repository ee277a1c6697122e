package v2

import (
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// What clients call actions.
const (
	actionGet    = "get"
	actionSet    = "set"
	actionCreate = "create"
	actionDelete = "delete"
	actionExpire = "expire"
)

var actions = map[consensusv1.TreeAction]string{
	consensusv1.TreeAction_TREE_ACTION_SET:                actionSet,
	consensusv1.TreeAction_TREE_ACTION_CREATE:             actionCreate,
	consensusv1.TreeAction_TREE_ACTION_UPDATE:             "update",
	consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_SWAP:   "compareAndSwap",
	consensusv1.TreeAction_TREE_ACTION_DELETE:             actionDelete,
	consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE: "compareAndDelete",
	consensusv1.TreeAction_TREE_ACTION_EXPIRE:             actionExpire,
}

// deletes tells whether an action leaves nothing behind.
func deletes(action consensusv1.TreeAction) bool {
	switch action {
	case consensusv1.TreeAction_TREE_ACTION_DELETE, consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_DELETE,
		consensusv1.TreeAction_TREE_ACTION_EXPIRE:
		return true
	}
	return false
}

// event is a success: what was read or done.
type event struct {
	Action string `json:"action"`
	Node   *node  `json:"node,omitempty"`
	Prev   *node  `json:"prevNode,omitempty"`
}

// node is a file or directory.
type node struct {
	Key        string     `json:"key,omitempty"`
	Value      *string    `json:"value,omitempty"` // of every file, be it empty, unless it is deleted
	Dir        bool       `json:"dir,omitempty"`
	Expiration *time.Time `json:"expiration,omitempty"`
	TTL        int64      `json:"ttl,omitempty"` // seconds
	Nodes      []*node    `json:"nodes,omitempty"`
	Modified   int64      `json:"modifiedIndex,omitempty"`
	Created    int64      `json:"createdIndex,omitempty"`
}

// newEvent returns the event of an action, as of now.
func newEvent(action consensusv1.TreeAction, to, from *consensusv1.TreeNode, now time.Time) *event {
	e := &event{Action: actions[action], Node: fromNode(to, now)}
	if deletes(action) {
		e.Node.Value = nil
	}
	if from != nil {
		e.Prev = fromNode(from, now)
	}
	return e
}

// conceal leaves out what the file was before: its writer may not read it. A refresh keeps that.
func (e *event) conceal(kept bool) {
	if e.Prev != nil {
		e.Prev.Value = nil
	}
	if kept {
		e.Node.Value = nil
	}
}

// fromNode returns a node as clients see it now, with what is in it.
func fromNode(n *consensusv1.TreeNode, now time.Time) *node {
	made := &node{
		Key: string(n.GetPath()), Dir: n.GetDir(), Modified: n.GetModRevision(), Created: n.GetCreateRevision(),
	}
	if made.Key == "/" {
		made.Key = ""
	}
	if !n.GetDir() {
		made.Value = new(string(n.GetValue()))
	}
	if at := n.GetExpiration(); at != 0 {
		made.Expiration = new(time.Unix(0, at).UTC())
		made.TTL = wholeSeconds(made.Expiration.Sub(now))
	}
	for _, child := range n.GetNodes() {
		made.Nodes = append(made.Nodes, fromNode(child, now))
	}
	return made
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) int64 {
	seconds := int64(d / time.Second)
	if d%time.Second > 0 {
		seconds++
	}
	return seconds
}
