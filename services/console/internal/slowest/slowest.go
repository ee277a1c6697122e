// Package slowest remembers the slowest requests of each method for a while, in bounded number. It knows neither what requests are
// nor who may see them.
package slowest

import (
	"slices"
	"sync"
	"time"

	"github.com/quoratedb/quorate/pkg/phases"
)

const (
	// perMethod is how many of a method are kept, and methodsMax of how many methods: there are fewer.
	perMethod, methodsMax = 10, 128
	// Kept is for how long.
	Kept = 2 * time.Hour
	// floor is how long a request takes at least that is worth to be remembered.
	floor = phases.From
)

// Request is one that took some time.
type Request struct {
	Method string
	At     time.Time
	Took   time.Duration
	// User and Peer say who asked, Prefix what its keys begin with, Shape what it was like and Code how it ended.
	User, Peer string
	Prefix     []byte
	Shape      string
	Code       string
	// Where the time of a write went; 0 where that is not known.
	Queue, Sync, Commit, Apply time.Duration
}

// List has them. The zero value is empty. Its methods may be called concurrently.
type List struct {
	mu struct {
		sync.Mutex
		methods map[string][]Request // the slowest first
	}
}

// Wants tells whether a request that ended now would be remembered. It is quick, for all the others.
func (l *List) Wants(method string, took time.Duration, now time.Time) bool {
	if took < floor {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.mu.methods[method]
	if len(kept) < perMethod {
		return len(kept) > 0 || len(l.mu.methods) < methodsMax
	}
	return took > kept[perMethod-1].Took || slices.ContainsFunc(kept, func(r Request) bool { return now.Sub(r.At) > Kept })
}

// Add remembers a request, in the place of one that is too old, or else of the quickest.
func (l *List) Add(r Request, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.methods == nil {
		l.mu.methods = map[string][]Request{}
	}
	kept := fresh(l.mu.methods[r.Method], now)
	at, _ := slices.BinarySearchFunc(kept, r, func(a, b Request) int { return int(b.Took - a.Took) })
	kept = slices.Insert(kept, at, r)
	l.mu.methods[r.Method] = kept[:min(len(kept), perMethod)]
}

func fresh(kept []Request, now time.Time) []Request {
	return slices.DeleteFunc(kept, func(r Request) bool { return now.Sub(r.At) > Kept })
}

// All returns what is remembered, by method, the slowest first within one.
func (l *List) All(now time.Time) []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []Request
	for method := range l.mu.methods {
		for _, r := range l.mu.methods[method] {
			if now.Sub(r.At) <= Kept {
				all = append(all, r)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Request) int {
		if a.Method != b.Method {
			if a.Method < b.Method {
				return -1
			}
			return 1
		}
		return int(b.Took - a.Took)
	})
	return all
}
