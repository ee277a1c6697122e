package mvcc

import (
	"unsafe"

	"github.com/quoratedb/quorate/pkg/budget"
)

// recent remembers the newest versions of the keys that were written last, so that a key which is written often is not
// looked up each time: a look into large memtables costs more than all the rest of a put. For keys that were not written
// lately, see fresh.
//
// It holds two generations. What is used moves to the younger one; when that is full, the older one is forgotten.
type recent struct {
	young, old map[string]*Row
	// size is about how many bytes young holds.
	size int
}

// recentBytesMax bounds what both generations hold: some tens of thousands of keys of the usual size.
const recentBytesMax = budget.StateRecent

// recentRowBytes is about what a remembered row takes beside its key and value.
const recentRowBytes = 192

func newRecent() recent {
	return recent{young: make(map[string]*Row), old: make(map[string]*Row)}
}

// get returns the newest version of a key as of the last commit, nil if it is not remembered. It may be a tombstone.
func (c *recent) get(key []byte) *Row {
	if r := c.young[string(key)]; r != nil {
		return r
	}
	r := c.old[string(key)]
	if r != nil {
		c.put(r)
	}
	return r
}

// put remembers a committed version, whose key and value must not change any more.
func (c *recent) put(r *Row) {
	if c.size > recentBytesMax/2 {
		c.young, c.old, c.size = make(map[string]*Row, len(c.young)), c.young, 0
	}
	key := stringOf(r.Key)
	if old := c.young[key]; old != nil {
		c.size -= recentRowBytes + len(old.Key) + len(old.Value)
	}
	c.young[key] = r
	c.size += recentRowBytes + len(r.Key) + len(r.Value)
}

// stringOf returns the bytes as a map's key without a copy. They must never change.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
