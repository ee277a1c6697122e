package match

import "github.com/quoratedb/quorate/services/watch/internal/interval"

// index finds the groups that an event concerns: by key for watches of one key, by interval for the others.
type index struct {
	points map[string]*slot
	spans  interval.Tree[*slot]
	// found is match's buffer.
	found []*slot
}

// slot holds the groups of one key or interval, which differ in their filters: sixteen at most.
type slot struct{ groups []*group }

func newIndex() index { return index{points: make(map[string]*slot)} }

// group returns the group of a selector, made if there is none.
func (x *index) group(sel Selector) *group {
	s := x.slot(sel)
	if s == nil {
		s = &slot{}
		if sel.point {
			x.points[sel.span.From] = s
		} else {
			x.spans.Set(sel.span, s)
		}
	}
	for _, g := range s.groups {
		if g.sel == sel {
			return g
		}
	}
	g := &group{sel: sel}
	s.groups = append(s.groups, g)
	return g
}

func (x *index) slot(sel Selector) *slot {
	if sel.point {
		return x.points[sel.span.From]
	}
	s, _ := x.spans.Get(sel.span)
	return s
}

// drop forgets a group.
func (x *index) drop(g *group) {
	s := x.slot(g.sel)
	if s == nil {
		return
	}
	for i := range s.groups {
		if s.groups[i] == g {
			s.groups = append(s.groups[:i], s.groups[i+1:]...)
			break
		}
	}
	switch {
	case len(s.groups) > 0:
	case g.sel.point:
		delete(x.points, g.sel.span.From)
	default:
		x.spans.Delete(g.sel.span)
	}
}

// match returns the slots whose key or interval holds a key. The result is good until the next call.
func (x *index) match(key []byte) []*slot {
	x.found = x.found[:0]
	if s, ok := x.points[string(key)]; ok {
		x.found = append(x.found, s)
	}
	x.found = x.spans.Stab(key, x.found)
	return x.found
}
