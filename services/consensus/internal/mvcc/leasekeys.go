package mvcc

import "github.com/quoratedb/quorate/pkg/budget"

// leaseKeys knows which key a lease has, of leases that have one or none, as most do. To find that among the rows takes a search in the memtable
// and in every table that may have one: a fifth of what the end of a lease costs.
//
// It knows leases that were granted since the start, as far as they fit into leaseKeysBytesMax. What it does not know is read from the rows, which
// say the same, so it makes no difference to what a command does.
type leaseKeys struct {
	// known is a lease's key as of the last commit, "" for none.
	known map[int64]string
	// size is about what they take, max at the most.
	size, max int
	// moves are what the batch at hand has attached and detached, in order, of leases that are known or that it has granted.
	moves []keyMove
}

type keyMove struct {
	lease    int64
	key      []byte
	attached bool
}

const (
	// leaseKeysBytesMax is enough for some hundred thousand leases.
	leaseKeysBytesMax = budget.StateLeaseKeys
	// leaseKeyBytes is about what a lease takes here beside its key.
	leaseKeyBytes = 48
	// keyMovesKept is for how many moves of a batch memory is kept.
	keyMovesKept = 1 << 10
)

func newLeaseKeys(bytesMax int) leaseKeys {
	return leaseKeys{known: make(map[int64]string), max: bytesMax}
}

// remember notes which key a lease has, unless there is no room for that.
func (l *leaseKeys) remember(id int64, key string) {
	l.forget(id)
	if size := leaseKeyBytes + len(key); l.size+size <= l.max {
		l.known[id] = key
		l.size += size
	}
}

func (l *leaseKeys) forget(id int64) {
	if key, ok := l.known[id]; ok {
		delete(l.known, id)
		l.size -= leaseKeyBytes + len(key)
	}
}

// commit follows what the batch has moved.
func (l *leaseKeys) commit() {
	for _, m := range l.moves {
		key, ok := l.known[m.lease]
		switch {
		case !ok:
		case m.attached && key == "" && len(m.key) > 0:
			l.remember(m.lease, string(m.key))
		case !m.attached && key == string(m.key):
			l.remember(m.lease, "")
		default:
			// It has several, and pays for the search with ease.
			l.forget(m.lease)
		}
	}
}

// reset forgets what the batch has moved.
func (l *leaseKeys) reset() {
	if len(l.moves) > keyMovesKept {
		l.moves = nil
		return
	}
	clear(l.moves)
	l.moves = l.moves[:0]
}

// noteMove notes that a key, which must not change before the batch is committed, was attached to a lease or detached.
func noteMove(b *Batch, lease int64, key []byte, attached bool) {
	keys := &b.leases.keys
	_, known := keys.known[lease]
	if _, touched := b.leases.changed[lease]; known || touched {
		keys.moves = append(keys.moves, keyMove{lease: lease, key: key, attached: attached})
	}
}

// appendKnown appends the key that a lease had when the batch began, unless the overlay knows better of it, and tells whether that is known.
func appendKnown(b *Batch, id int64, keys [][]byte) ([][]byte, bool) {
	known, ok := b.leases.keys.known[id]
	if key := []byte(known); known != "" && !outdated(b, key) {
		keys = append(keys, key)
	}
	return keys, ok
}

// outdated tells whether the batch has changed a key.
func outdated(b *Batch, key []byte) bool {
	return b.overlay.keys[string(key)] != nil || b.overlay.gone.at(key, NewestRevision)
}
