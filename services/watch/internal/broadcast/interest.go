package broadcast

import (
	"encoding/binary"
	"sync"
	"time"
)

// interest remembers which nodes have watchers, so that the ingester need not send what nobody wants. A node repeats
// itself every announceInterval; one that has not been heard of for interestTTL counts as gone.
const interestTTL = 5 * announceInterval

// interestBytes is the size of an announcement: the node's number, and 1 if it has watchers or 0.
const interestBytes = 8 + 1

type interest struct {
	// changed holds a token after a node became interested.
	changed chan struct{}
	mu      struct {
		sync.Mutex
		until map[uint64]time.Time
	}
}

func newInterest() *interest {
	i := &interest{changed: make(chan struct{}, 1)}
	i.mu.until = make(map[uint64]time.Time)
	return i
}

func encodeInterest(node uint64, watching bool) []byte {
	data := binary.BigEndian.AppendUint64(make([]byte, 0, interestBytes), node)
	if watching {
		return append(data, 1)
	}
	return append(data, 0)
}

// heard takes in an announcement; it ignores what is none.
func (i *interest) heard(data []byte, now time.Time) {
	if len(data) != interestBytes {
		return
	}
	node, watching := binary.BigEndian.Uint64(data), data[8] == 1
	i.mu.Lock()
	_, known := i.mu.until[node]
	if watching {
		i.mu.until[node] = now.Add(interestTTL)
	} else {
		delete(i.mu.until, node)
	}
	i.mu.Unlock()
	if watching && !known {
		select {
		case i.changed <- struct{}{}:
		default:
		}
	}
}

// any tells whether a node has watchers.
func (i *interest) any(now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for node, until := range i.mu.until {
		if now.Before(until) {
			return true
		}
		delete(i.mu.until, node)
	}
	return false
}
