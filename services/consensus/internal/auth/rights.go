package auth

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Interval is a stretch of keys: from Low up to but without High, which is nil for no end.
type Interval struct{ Low, High []byte }

// intervalOf reads a key and range end as requests carry them.
func intervalOf(key, end []byte) Interval {
	if len(key) == 0 {
		key = smallestKey
	}
	switch {
	case len(end) == 0:
		return Interval{key, append(bytes.Clone(key), 0)}
	case openEnded(end):
		return Interval{key, nil}
	}
	return Interval{key, end}
}

// openEnded tells the range end that means everything from the key on.
func openEnded(end []byte) bool { return len(end) == 1 && end[0] == 0 }

// smallestKey is what an empty key stands for: there is none below it.
var smallestKey = []byte{0}

// rights are what some roles together may, as disjoint intervals in ascending order.
type rights struct {
	root        bool
	read, write []Interval
}

func (r *rights) of(kind consensusv1.Permission_Type) []Interval {
	if kind == consensusv1.Permission_TYPE_WRITE {
		return r.write
	}
	return r.read
}

// covers tells whether all keys from key to end may be read, or written. A range that holds no key, because its end is not
// above its key, is covered only where everything between the two is.
func (r *rights) covers(kind consensusv1.Permission_Type, key, end []byte) bool {
	if r.root {
		return true
	}
	if len(key) == 0 {
		key = smallestKey
	}
	open := openEnded(end)
	if !open && len(end) > 0 && bytes.Compare(end, key) < 0 {
		key, end = end, key
	}
	allowed := r.of(kind)
	// The first interval that ends above the key: no other one can hold it.
	at, _ := slices.BinarySearchFunc(allowed, key, func(i Interval, key []byte) int {
		if i.High == nil || bytes.Compare(i.High, key) > 0 {
			return 1
		}
		return -1
	})
	if at == len(allowed) || bytes.Compare(allowed[at].Low, key) > 0 {
		return false
	}
	switch high := allowed[at].High; {
	case high == nil || len(end) == 0:
		return true // it is known to hold the key
	case open:
		return false
	default:
		return bytes.Compare(end, high) <= 0
	}
}

// gaps are the stretches of keys that may not be read, or written.
func (r *rights) gaps(kind consensusv1.Permission_Type) []Interval {
	if r.root {
		return nil
	}
	var gaps []Interval
	low := []byte{}
	for _, i := range r.of(kind) {
		if bytes.Compare(low, i.Low) < 0 {
			gaps = append(gaps, Interval{low, i.Low})
		}
		if i.High == nil {
			return gaps
		}
		low = i.High
	}
	return append(gaps, Interval{low, nil})
}

// union makes disjoint intervals of any, in ascending order.
func union(of []Interval) []Interval {
	slices.SortFunc(of, func(a, b Interval) int { return bytes.Compare(a.Low, b.Low) })
	var joined []Interval
	for _, i := range of {
		last := len(joined) - 1
		if last < 0 || joined[last].High != nil && bytes.Compare(i.Low, joined[last].High) > 0 {
			joined = append(joined, i)
			continue
		}
		if joined[last].High != nil && (i.High == nil || bytes.Compare(i.High, joined[last].High) > 0) {
			joined[last].High = i.High
		}
	}
	return joined
}

// rightsCacheMax bounds the users, and the sets of roles that tokens bring, whose rights are remembered until the next change of anybody's.
const rightsCacheMax = 10_000

// rightsCache remembers what identities may. It is asked for each command that is applied: to join roles of many permissions takes milliseconds.
type rightsCache struct {
	mu sync.RWMutex
	// of are by the user or, where the roles came with a token, by a text of them.
	of map[any]*rights
}

func newRightsCache() *rightsCache { return &rightsCache{of: map[any]*rights{}} }

func (c *rightsCache) get(whose any) *rights {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.of[whose]
}

func (c *rightsCache) put(whose any, r *rights) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.of) >= rightsCacheMax {
		clear(c.of)
	}
	c.of[whose] = r
}

// textOf is one text for each list of roles.
func textOf(roles []string) string {
	var text []byte
	for _, role := range roles {
		text = fmt.Appendf(text, "%d:%s", len(role), role)
	}
	return string(text)
}
