package groups

import (
	"time"

	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
)

// Peer is a watch node as the table asks it. Its methods do not wait.
type Peer interface {
	// Join begins a subscription, Leave ends one.
	Join(s *watchv1.Subscription)
	Leave(id int64)
}

// Node is one watch node.
type Node struct {
	peer Peer

	up       bool      // it has told a position on the present stream
	since    time.Time // when it did first
	settled  bool      // that was a while ago
	number   uint64    // the node's
	position int64     // every group that has joined was told everything up to here
	groups   map[int64]*group
	lastID   int64
}

// NewNode returns a node that is not up.
func NewNode(peer Peer) *Node { return &Node{peer: peer, groups: make(map[int64]*group)} }

// Peer is the node's.
func (n *Node) Peer() Peer { return n.peer }

// Up tells whether the node has told a position on the present stream.
func (n *Node) Up() bool { return n.up }

// Position is the revision up to which the node has told everything.
func (n *Node) Position() int64 { return n.position }

// subscribe begins a group's subscription at a node.
func (n *Node) subscribe(g *group) {
	n.lastID++
	g.node, g.id, g.joined = n, n.lastID, false
	n.groups[g.id] = g
	n.peer.Join(&watchv1.Subscription{Id: g.id, Selection: g.sel.Request()})
}

// leave ends a subscription.
func (n *Node) leave(id int64) {
	delete(n.groups, id)
	n.peer.Leave(id)
}
