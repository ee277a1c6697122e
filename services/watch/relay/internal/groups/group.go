package groups

// group is the watches of one selector.
type group struct {
	sel     Selector
	members []*Watch            // live
	parked  map[*Watch]struct{} // behind, until there is a node
	watches int                 // all, however they are
	recent  []*recent           // gapless, up to through

	// node is where the group's subscription is, nil while it is nowhere; id is the subscription's there.
	node *Node
	id   int64
	// joined says that the node has answered: members have been told everything after where it joined and up to told.
	joined  bool
	through int64
}

// told is the revision up to which the members have been told everything. A node that says how far it is speaks for
// every group that had joined.
func (g *group) told() int64 {
	if g.joined {
		return max(g.through, g.node.position)
	}
	return g.through
}

// enter makes a watch live.
func (g *group) enter(w *Watch) {
	delete(g.parked, w)
	w.live, w.quiet, w.place = true, false, len(g.members)
	g.members = append(g.members, w)
}

// exit takes a live watch out.
func (g *group) exit(w *Watch) {
	last := len(g.members) - 1
	moved := g.members[last]
	g.members[w.place], moved.place = moved, w.place
	g.members[last] = nil
	g.members = g.members[:last]
	w.live = false
}
