package groups

import (
	"hash/fnv"
	"time"
)

// SettleTime is how long a node has to be up before it is given groups that are well off where they are.
const SettleTime = 3 * time.Second

// place begins a group's subscription at the node where it belongs, or nowhere while there is no node.
func (t *Table) place(g *group) {
	if best := t.best(g, func(n *Node) bool { return n.up }); best != nil {
		best.subscribe(g)
	}
}

// best is the node with the highest score for a group. All API nodes score alike, so that equal watches of all
// their clients meet at one node, which matches and encodes once for all; and a node that comes or goes concerns only
// the groups that are to move to it, or have to leave it.
func (t *Table) best(g *group, eligible func(*Node) bool) (best *Node) {
	span := fnv.New64a()
	_, _ = span.Write([]byte(g.sel.key)) // it never fails
	_, _ = span.Write([]byte{0})
	_, _ = span.Write([]byte(g.sel.rangeEnd))
	hash, highest := span.Sum64(), uint64(0)
	for n := range t.nodes {
		if !eligible(n) {
			continue
		}
		if score := mix(hash ^ mix(n.number)); best == nil || score > highest {
			best, highest = n, score
		}
	}
	return best
}

// mix spreads a number over all its bits: the last step of splitmix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Settle gives nodes that have been up for a while the groups that belong to them.
func (t *Table) Settle(now time.Time) {
	fresh := false
	for n := range t.nodes {
		if n.up && !n.settled && now.Sub(n.since) >= SettleTime {
			n.settled, fresh = true, true
		}
	}
	if !fresh {
		return
	}
	for _, g := range t.groups {
		best := t.best(g, func(n *Node) bool { return n.up && (n.settled || n == g.node) })
		if best == nil || best == g.node || g.node == nil {
			continue
		}
		t.counts.Moved++
		g.node.leave(g.id)
		t.leaveNode(g)
		best.subscribe(g)
	}
}
