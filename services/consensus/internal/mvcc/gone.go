package mvcc

import (
	"bytes"
	"slices"
)

// gone holds the keys that commands of the batch at hand deleted many at a time, for the commands behind them. Such a key
// takes a fraction here of what it does as an overlayKey: nothing but that it is gone, which is nearly always the last
// that the batch does to it. One that is written again moves to the overlay's keys.
type gone struct {
	// runs share no key. Each is at least twice as long as the next, so that there are few.
	runs []goneRun
	// keys is how many there are in all runs, with those that have moved.
	keys int
}

// goneRun is keys in order.
type goneRun struct {
	keys []goneKey
	// moved is how many of them are the overlay's again, newest the newest revision at which one was deleted.
	moved  int
	newest int64
}

// goneKey is one key that exists in what was committed when the batch began.
type goneKey struct {
	key []byte
	// base is the revision of the version that the batch found.
	base int64
	// revision and sub are the tombstone's; revision is 0 if the key is the overlay's again.
	revision int64
	sub      uint32
}

func compareGone(k goneKey, key []byte) int { return bytes.Compare(k.key, key) }

// add takes keys that are in order and in no run.
func (g *gone) add(keys []goneKey) {
	if len(keys) == 0 {
		return
	}
	g.keys += len(keys)
	last := goneRun{keys: keys, newest: keys[0].revision}
	for n := len(g.runs); n > 0 && len(g.runs[n-1].keys) < 2*len(last.keys); n = len(g.runs) {
		last = joined(g.runs[n-1], last)
		g.runs = g.runs[:n-1]
	}
	g.runs = append(g.runs, last)
}

// joined makes one run of two.
func joined(a, b goneRun) goneRun {
	run := goneRun{keys: make([]goneKey, 0, len(a.keys)+len(b.keys)), moved: a.moved + b.moved, newest: max(a.newest, b.newest)}
	x, y := a.keys, b.keys
	for len(x) > 0 && len(y) > 0 {
		if bytes.Compare(x[0].key, y[0].key) < 0 {
			run.keys, x = append(run.keys, x[0]), x[1:]
		} else {
			run.keys, y = append(run.keys, y[0]), y[1:]
		}
	}
	run.keys = append(append(run.keys, x...), y...)
	return run
}

// find returns a key that is gone, and its run, nil if it is not.
func (g *gone) find(key []byte) (*goneRun, *goneKey) {
	for i := range g.runs {
		run := &g.runs[i]
		if at, found := slices.BinarySearchFunc(run.keys, key, compareGone); found && run.keys[at].revision != 0 {
			return run, &run.keys[at]
		}
	}
	return nil, nil
}

// at tells whether a key is gone at a revision.
func (g *gone) at(key []byte, revision int64) bool {
	_, k := g.find(key)
	return k != nil && k.revision <= revision
}

// count returns how many keys of the span, which is not a single key, are gone at a revision.
func (g *gone) count(s Span, revision int64) (n int64) {
	for _, run := range g.runs {
		from, _ := slices.BinarySearchFunc(run.keys, s.low, compareGone)
		to := len(run.keys)
		if !s.unbounded {
			to, _ = slices.BinarySearchFunc(run.keys, s.high, compareGone)
		}
		if run.moved == 0 && run.newest <= revision {
			n += int64(max(0, to-from))
			continue
		}
		for ; from < to; from++ {
			if k := &run.keys[from]; k.revision != 0 && k.revision <= revision {
				n++
			}
		}
	}
	return n
}

// each calls fn for every key that is gone.
func (g *gone) each(fn func(*goneKey)) {
	for _, run := range g.runs {
		for i := range run.keys {
			if run.keys[i].revision != 0 {
				fn(&run.keys[i])
			}
		}
	}
}

// find returns a changed key, nil if the batch has not changed it. One that is gone is made one of the overlay's.
func (o *overlay) find(key []byte) *overlayKey {
	if k := o.keys[string(key)]; k != nil || o.gone.keys == 0 {
		return k
	}
	run, g := o.gone.find(key)
	if g == nil {
		return nil
	}
	k := o.insert(g.key, g.base)
	k.versions = append(k.versions, Row{Key: g.key, Revision: g.revision, Record: Record{sub: int64(g.sub), Tombstone: true}})
	k.beforeRevision = g.base
	g.revision = 0
	run.moved++
	return k
}
