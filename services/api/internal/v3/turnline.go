package v3

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
)

// A line is of all whose calls wait at this node for a turn of one name. What one of them has read of the store serves the others, so that
// however many wait, each costs reads of a key or two.
//
//	keys below the name, by age:  a3 ── b5 ── a8 ── a9 ── b12 ── a13     a waits here, b elsewhere, or has its turn
//	order, through 9:             a3    b5    a8    a9                   the oldest keys, as they were read once
//
// The first waiter of a line looks at the store, for the key before its own: first in order, and when that has ended for the next. Whoever is
// behind it waits for it to leave, which needs no read, because a key is never before one that was there already: when a3 has had its turn, what
// is before a8 is a3 and b5. The second looks too, so that it waits for the end of the first one's key already when that one's turn begins. Keys of order may be
// gone meanwhile. What is sure is that of the keys up to through no other one is there. Who waits with a younger key than that reads
// all keys of the name, once for as many turns as there are keys in the answer.

const (
	// looking is how many waiters of a line look at the store.
	looking = 2
	// orderMin and orderMax are how many keys are read for the order of a line at least and at most. In between they are twice as many as wait, for
	// those of others in between.
	orderMin, orderMax = 64, 4096
	// A line keeps as many of them as take orderBytesMin, and orderBytesEach more for each who waits, but one at least: a name may be short and the keys below it
	// long, and these are below each name that they begin with.
	orderBytesMin, orderBytesEach = 16 << 10, 128
)

// lines are all lines of a node, by the prefix of their keys. Methods may be called concurrently.
type lines struct {
	mu struct {
		sync.Mutex
		by map[string]*line
		// store is how many stores there were before this one: what was read of another one says nothing about it.
		store int
	}
}

type line struct {
	// waiters are by the age of their keys.
	waiters []*waiter
	// order are keys by their age, of which those up to through are all that may be there.
	order   []turnKey
	through int64
}

// turnKey is the key of somebody's place.
type turnKey struct {
	key  []byte
	made int64
}

// waiter is one call in a line. But for near it is guarded by the lines' lock.
type waiter struct {
	of   *lines
	line *line
	turnKey
	prefix string
	// near has something in it when the waiter may have come to be one of those that look.
	near chan struct{}
}

// enter puts the waiter for a place into the line of its name.
func (l *lines) enter(p *place) *waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &waiter{of: l, turnKey: turnKey{key: p.key, made: p.made}, prefix: string(p.prefix), near: make(chan struct{}, 1)}
	if w.line = l.mu.by[w.prefix]; w.line == nil {
		if l.mu.by == nil {
			l.mu.by = make(map[string]*line)
		}
		w.line = new(line)
		l.mu.by[w.prefix] = w.line
	}
	at, _ := slices.BinarySearchFunc(w.line.waiters, w.made+1, byMade)
	w.line.waiters = slices.Insert(w.line.waiters, at, w)
	return w
}

func byMade(w *waiter, made int64) int { return cmp.Compare(w.made, made) }

// leave takes the waiter out of its line. Its key stays in the order: the next looks whether that is gone.
func (w *waiter) leave() {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	of := w.line
	at, _ := slices.BinarySearchFunc(of.waiters, w.made, byMade)
	for of.waiters[at] != w {
		at++ // two calls with one lease have one key
	}
	of.waiters = slices.Delete(of.waiters, at, at+1)
	switch {
	case len(of.waiters) == 0:
		delete(w.of.mu.by, w.prefix)
	case at < looking && len(of.waiters) >= looking:
		select {
		case of.waiters[looking-1].near <- struct{}{}:
		default:
		}
	}
}

// isNear tells whether the waiter is one of those that look at the store.
func (w *waiter) isNear() bool {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	return slices.Contains(w.line.waiters[:min(looking, len(w.line.waiters))], w)
}

// before returns the youngest key of the order that is older than the waiter's, and whether all of those are in it.
func (w *waiter) before() (key turnKey, some, known bool) {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	known = w.made <= w.line.through
	if at := w.line.at(w.made); at > 0 {
		return w.line.order[at-1], true, known
	}
	return turnKey{}, false, known
}

// at is where in the order the first key is that is no older than made.
func (l *line) at(made int64) int {
	at, _ := slices.BinarySearchFunc(l.order, made, func(k turnKey, made int64) int { return cmp.Compare(k.made, made) })
	return at
}

// ended says that a key of the order is gone.
func (w *waiter) ended(key turnKey) {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	for at := w.line.at(key.made); at < len(w.line.order) && w.line.order[at].made == key.made; at++ {
		if string(w.line.order[at].key) == string(key.key) {
			w.line.order = slices.Delete(w.line.order, at, at+1)
			return
		}
	}
}

// reads tells how many of the oldest keys the waiter is to read, and of which store.
func (w *waiter) reads() (keys int64, store int) {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	return int64(min(max(orderMin, 2*len(w.line.waiters)), orderMax)), w.of.mu.store
}

// has says that the oldest keys of a store were these, by age, and all of those made up to through. They are the caller's again when it returns.
func (w *waiter) has(store int, order []turnKey, through int64) {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	if kept := w.line.kept(order); len(kept) < len(order) {
		order, through = kept, kept[len(kept)-1].made
	}
	if store != w.of.mu.store || through <= w.line.through {
		return
	}
	w.line.order, w.line.through = make([]turnKey, len(order)), through
	for i, k := range order {
		w.line.order[i] = turnKey{key: bytes.Clone(k.key), made: k.made} // an answer's keys are one piece of memory
	}
}

// kept are the first of the keys that a line has room for.
func (l *line) kept(order []turnKey) []turnKey {
	room := orderBytesMin + orderBytesEach*len(l.waiters)
	for i, k := range order {
		if room -= len(k.key); room < 0 && i > 0 {
			return order[:i]
		}
	}
	return order
}

// forget has all lines read anew: the store is another one.
func (l *lines) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.store++
	for _, of := range l.mu.by {
		of.order, of.through = nil, 0
	}
}
