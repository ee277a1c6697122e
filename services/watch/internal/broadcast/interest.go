package broadcast

import (
	"encoding/binary"
	"sync"
	"time"
)

// interest remembers which nodes have watchers, so that the ingester need not send what nobody wants. A node repeats
// itself every announceInterval; one that has not been heard of for interestTTL counts as gone.
const interestTTL = 5 * announceInterval

// interestBytes is the size of an announcement: the node's number, and a sum of the bits below.
const interestBytes = 8 + 1

const (
	bitWatching = 1 << iota // the node has watchers
	bitUsers                // the node lets users' NATS clients in
)

type interest struct {
	// changed holds a token after a node became interested.
	changed chan struct{}
	mu      struct {
		sync.Mutex
		until map[uint64]time.Time
		users map[uint64]time.Time
	}
}

func newInterest() *interest {
	i := &interest{changed: make(chan struct{}, 1)}
	i.mu.until = make(map[uint64]time.Time)
	i.mu.users = make(map[uint64]time.Time)
	return i
}

func encodeInterest(node uint64, watching, users bool) []byte {
	data := binary.BigEndian.AppendUint64(make([]byte, 0, interestBytes), node)
	var bits byte
	if watching {
		bits |= bitWatching
	}
	if users {
		bits |= bitUsers
	}
	return append(data, bits)
}

// heard takes in an announcement; it ignores what is none.
func (i *interest) heard(data []byte, now time.Time) {
	if len(data) != interestBytes {
		return
	}
	node, watching := binary.BigEndian.Uint64(data), data[8]&bitWatching != 0
	i.mu.Lock()
	_, known := i.mu.until[node]
	if watching {
		i.mu.until[node] = now.Add(interestTTL)
	} else {
		delete(i.mu.until, node)
	}
	if data[8]&bitUsers != 0 {
		i.mu.users[node] = now.Add(interestTTL)
	}
	i.mu.Unlock()
	if watching && !known {
		token(i.changed)
	}
}

// any tells whether a node has watchers.
func (i *interest) any(now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return live(i.mu.until, now)
}

// anyUsers tells whether a node lets users in.
func (i *interest) anyUsers(now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return live(i.mu.users, now)
}

// live tells whether a node's time has not passed, and forgets those whose has.
func live(nodes map[uint64]time.Time, now time.Time) bool {
	for node, until := range nodes {
		if now.Before(until) {
			return true
		}
		delete(nodes, node)
	}
	return false
}
