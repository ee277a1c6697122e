package v3

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// turnStore is a store that has keys of one name alone, by age.
type turnStore struct {
	keys     []turnKey
	revision int64
	// padding is behind each key.
	padding []byte
}

func (s *turnStore) join() turnKey {
	s.revision++
	made := turnKey{key: fmt.Appendf(nil, "n/%d%s", s.revision%7, s.padding), made: s.revision} // keys are used again
	s.keys = append(s.keys, made)
	return made
}

func (s *turnStore) delete(k turnKey) {
	s.revision++
	s.keys = slices.DeleteFunc(s.keys, func(one turnKey) bool { return one.made == k.made })
}

func (s *turnStore) has(k turnKey) bool {
	return slices.ContainsFunc(s.keys, func(one turnKey) bool { return one.made == k.made })
}

// oldest is what a read of so many keys answers.
func (s *turnStore) oldest(keys int) (order []turnKey, through int64) {
	if len(s.keys) > keys {
		return slices.Clone(s.keys[:keys]), s.keys[keys-1].made
	}
	return slices.Clone(s.keys), s.revision
}

// turnRun is a random course of those who wait, at a store.
type turnRun struct {
	t       *testing.T
	random  *rand.Rand
	all     lines
	store   turnStore
	waiters []*waiter
	joined  []turnKey // whose calls have not entered the line yet
	late    func()    // an answer that is on its way
	saved   []turnKey // what the store had once
}

// look has a waiter do its next step, and tells whether its turn has come.
func (r *turnRun) look(w *waiter) bool {
	before, some, known := w.before()
	if known && !some {
		require.False(r.t, slices.ContainsFunc(r.store.keys, func(k turnKey) bool { return k.made < w.made }), "%d of %v", w.made, r.store.keys)
		return true
	}
	if some && !r.store.has(before) {
		w.ended(before)
	} else if !known {
		r.read(w)()
	}
	return false
}

// read returns what brings the answer.
func (r *turnRun) read(w *waiter) func() {
	_, of := w.reads()
	order, through := r.store.oldest(1 + r.random.IntN(5))
	return func() { w.has(of, order, through) }
}

func (r *turnRun) leave(w *waiter, goes bool) {
	if goes {
		r.store.delete(w.turnKey)
	}
	w.leave()
	r.waiters = slices.DeleteFunc(r.waiters, func(one *waiter) bool { return one == w })
}

func (r *turnRun) step() {
	coin := func() bool { return r.random.IntN(2) == 0 }
	switch at := r.random.IntN(8); {
	case at == 0:
		r.store.join() // elsewhere
	case at <= 2:
		r.joined = append(r.joined, r.store.join())
	case at == 3 && len(r.joined) > 0:
		at := r.random.IntN(len(r.joined))
		r.waiters = append(r.waiters, r.all.enter(&place{prefix: []byte("n/"), key: r.joined[at].key, made: r.joined[at].made}))
		r.joined = slices.Delete(r.joined, at, at+1)
	case at == 4 && len(r.store.keys) > 0:
		r.store.delete(r.store.keys[min(r.random.IntN(len(r.store.keys)), r.random.IntN(len(r.store.keys)))])
	case at == 5 && len(r.waiters) > 0 && r.random.IntN(4) == 0:
		r.leave(r.waiters[r.random.IntN(len(r.waiters))], coin())
	case at == 6 && r.late != nil:
		r.late()
		r.late = nil
	case at == 6 && len(r.waiters) > 0:
		r.late = r.read(r.waiters[r.random.IntN(len(r.waiters))])
	case at == 7 && r.random.IntN(20) == 0: // keys that have gone are there again
		r.all.forget()
		r.store.keys = slices.Clone(r.saved)
	case at == 7 && coin():
		r.saved = slices.Clone(r.store.keys)
	}
	for _, w := range slices.Clone(r.waiters) {
		if w.isNear() && r.look(w) {
			r.leave(w, coin())
		}
	}
}

// Goal: a waiter is told that nobody is before it only when that is so, and in the end everybody is. Method: random joins, here and elsewhere, that enter
// the line late and out of order; ends of keys of all kinds, reads whose answers come late, and stores that are replaced; by seeds, half of which have keys
// of which a line keeps only some.
func TestLineTellsNobodyTooEarly(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			r := &turnRun{t: t, random: rand.New(rand.NewPCG(seed, 0))}
			r.store.padding = make([]byte, seed%2*orderBytesMin/2)
			for range 400 {
				r.step()
			}
			r.store.keys = nil
			r.store.revision++
			for len(r.waiters) > 0 {
				w := r.waiters[slices.IndexFunc(r.waiters, (*waiter).isNear)]
				if r.look(w) {
					r.leave(w, false)
				}
			}
			require.Empty(t, r.all.mu.by)
		})
	}
}

// Goal: one of those that wait is woken when it is to look at the store, and no other. Method: three waiters, of which the first leaves.
func TestLineWakesTheNext(t *testing.T) {
	var all lines
	enter := func(made int64) *waiter { return all.enter(&place{prefix: []byte("n/"), made: made}) }
	third, first, second := enter(3), enter(1), enter(2)
	require.Equal(t, []bool{true, true, false}, []bool{first.isNear(), second.isNear(), third.isNear()})
	first.leave()
	require.Len(t, third.near, 1)
	require.True(t, third.isNear())
	third.leave()
	second.leave()
	require.Empty(t, second.near)
	require.Empty(t, all.mu.by)
}

// Goal: what a line keeps of the keys below its name is bounded, however long they are, and the first one is always there. Method: answers of many short keys and of
// long ones, for a line of one.
func TestLineKeepsABoundedOrder(t *testing.T) {
	var all lines
	w := all.enter(&place{prefix: []byte("n/"), made: 1000})
	for _, c := range []struct{ bytes, kept int }{{30, orderMin}, {orderBytesMin / 4, 4}, {1 << 20, 1}} {
		_, store := w.reads()
		order := make([]turnKey, orderMin)
		for i := range order {
			order[i] = turnKey{key: make([]byte, c.bytes), made: int64(i + 1)}
		}
		w.has(store, order, 2000)
		require.Len(t, w.line.order, c.kept)
		through := int64(2000)
		if c.kept < orderMin {
			through = int64(c.kept)
		}
		require.Equal(t, through, w.line.through)
		all.forget()
	}
}
