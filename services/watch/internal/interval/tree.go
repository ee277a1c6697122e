// Package interval finds the ranges of keys that hold a key. It does not know what the ranges stand for.
package interval

import "math/rand/v2"

// Range is the keys from From on and before To, or all from From on if Unbounded. It may be empty.
type Range struct {
	From, To  string
	Unbounded bool
}

// Contains tells whether key lies in the range.
func (r Range) Contains(key []byte) bool {
	return string(key) >= r.From && (r.Unbounded || string(key) < r.To)
}

// endsAfter tells whether the range's end lies behind the other's.
func (r Range) endsAfter(other Range) bool {
	switch {
	case other.Unbounded:
		return false
	case r.Unbounded:
		return true
	default:
		return r.To > other.To
	}
}

// compare orders ranges by start, then by end.
func (r Range) compare(other Range) int {
	switch {
	case r.From < other.From:
		return -1
	case r.From > other.From:
		return 1
	case other.endsAfter(r):
		return -1
	case r.endsAfter(other):
		return 1
	default:
		return 0
	}
}

// Tree maps ranges to values. The zero Tree is empty. It is not safe for concurrent use.
//
// It is a treap: a search tree by range and a heap by random priorities, which keep it balanced whatever the order of
// insertions. Every node also knows which range in its subtree ends last, so that a search for a key leaves out the
// subtrees that end before it: O(log n) for each range found, and no allocation.
type Tree[V any] struct {
	root *node[V]
	size int
}

type node[V any] struct {
	span        Range
	value       V
	last        Range // the range of this subtree that ends last
	priority    uint32
	left, right *node[V]
}

// Len returns how many ranges the tree holds.
func (t *Tree[V]) Len() int { return t.size }

// Get returns the value of exactly this range.
func (t *Tree[V]) Get(span Range) (V, bool) {
	for n := t.root; n != nil; {
		switch c := span.compare(n.span); {
		case c == 0:
			return n.value, true
		case c < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	var none V
	return none, false
}

// Set gives a range a value, in place of the one it had.
func (t *Tree[V]) Set(span Range, value V) {
	t.root = t.set(t.root, span, value)
}

func (t *Tree[V]) set(n *node[V], span Range, value V) *node[V] {
	if n == nil {
		t.size++
		return &node[V]{span: span, value: value, last: span, priority: rand.Uint32()}
	}
	switch c := span.compare(n.span); {
	case c == 0:
		n.value = value
	case c < 0:
		n.left = t.set(n.left, span, value)
		if n.left.priority > n.priority {
			n = n.rotateRight()
		}
	default:
		n.right = t.set(n.right, span, value)
		if n.right.priority > n.priority {
			n = n.rotateLeft()
		}
	}
	n.refresh()
	return n
}

// Delete removes exactly this range, if the tree holds it.
func (t *Tree[V]) Delete(span Range) {
	t.root = t.remove(t.root, span)
}

func (t *Tree[V]) remove(n *node[V], span Range) *node[V] {
	if n == nil {
		return nil
	}
	switch c := span.compare(n.span); {
	case c == 0:
		t.size--
		return merge(n.left, n.right)
	case c < 0:
		n.left = t.remove(n.left, span)
	default:
		n.right = t.remove(n.right, span)
	}
	n.refresh()
	return n
}

// merge joins two subtrees, all of whose ranges on the left come before those on the right.
func merge[V any](left, right *node[V]) *node[V] {
	switch {
	case left == nil:
		return right
	case right == nil:
		return left
	case left.priority > right.priority:
		left.right = merge(left.right, right)
		left.refresh()
		return left
	default:
		right.left = merge(left, right.left)
		right.refresh()
		return right
	}
}

// Stab appends to found the values of all ranges that contain key, in the order of the ranges.
func (t *Tree[V]) Stab(key []byte, found []V) []V {
	return t.root.stab(key, found)
}

func (n *node[V]) stab(key []byte, found []V) []V {
	for n != nil && (n.last.Unbounded || string(key) < n.last.To) {
		found = n.left.stab(key, found)
		if string(key) < n.span.From {
			break // all on the right start later still
		}
		if n.span.Unbounded || string(key) < n.span.To {
			found = append(found, n.value)
		}
		n = n.right
	}
	return found
}

func (n *node[V]) refresh() {
	n.last = n.span
	if n.left != nil && n.left.last.endsAfter(n.last) {
		n.last = n.left.last
	}
	if n.right != nil && n.right.last.endsAfter(n.last) {
		n.last = n.right.last
	}
}

func (n *node[V]) rotateRight() *node[V] {
	top := n.left
	n.left, top.right = top.right, n
	n.refresh()
	return top
}

func (n *node[V]) rotateLeft() *node[V] {
	top := n.right
	n.right, top.left = top.left, n
	n.refresh()
	return top
}
