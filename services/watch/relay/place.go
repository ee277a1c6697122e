package relay

import (
	"hash/fnv"
	"time"
)

// settleTime is how long a node has to be up before it is given groups that are well off where they are.
const settleTime = 3 * time.Second

// placeLocked begins a group's subscription at the node where it belongs, or nowhere while there is no node.
func (r *Relay) placeLocked(g *group) {
	if l := r.bestLocked(g, func(l *link) bool { return l.up }); l != nil {
		l.subscribeLocked(g)
	}
}

// bestLocked is the node with the highest score for a group. All API nodes score alike, so that equal watches of all
// their clients meet at one node, which matches and encodes once for all; and a node that comes or goes concerns only
// the groups that are to move to it, or have to leave it.
func (r *Relay) bestLocked(g *group, eligible func(*link) bool) (best *link) {
	span := fnv.New64a()
	_, _ = span.Write([]byte(g.sel.key)) // it never fails
	_, _ = span.Write([]byte{0})
	_, _ = span.Write([]byte(g.sel.rangeEnd))
	hash, highest := span.Sum64(), uint64(0)
	for _, l := range r.mu.links {
		if !eligible(l) {
			continue
		}
		if score := mix(hash ^ mix(l.number)); best == nil || score > highest {
			best, highest = l, score
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

// settle gives nodes that have been up for a while the groups that belong to them.
func (r *Relay) settle(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := false
	for _, l := range r.mu.links {
		if l.up && !l.settled && now.Sub(l.since) >= settleTime {
			l.settled, fresh = true, true
		}
	}
	if !fresh {
		return
	}
	for _, g := range r.mu.groups {
		best := r.bestLocked(g, func(l *link) bool { return l.up && (l.settled || l == g.link) })
		if best == nil || best == g.link || g.link == nil {
			continue
		}
		r.counts.moved.Add(1)
		g.link.leave(g.id)
		r.leaveNodeLocked(g)
		best.subscribeLocked(g)
	}
}
