package top

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// partsMax bounds the prefixes that are told apart; what is written to more is counted together.
const partsMax = 10_000

// rate is how often something was written to.
type rate struct {
	Prefix    string  `json:"prefix"`
	PerSecond float64 `json:"per_second"`
}

// others is what prefixes beyond partsMax are counted as.
const others = "(others)"

// writes counts changes by prefix.
type writes struct {
	prefix    string
	separator string
	depth     int
	mu        struct {
		sync.Mutex
		counts map[string]int
		err    error
	}
}

func newWrites(prefix, separator string, depth int) *writes {
	w := &writes{prefix: prefix, separator: separator, depth: depth}
	w.mu.counts = map[string]int{}
	return w
}

// follow counts what a watch brings until ctx ends, or the watch does: then nothing more is counted, and take says why.
func (w *writes) follow(ctx context.Context, client *clientv3.Client) {
	for answer := range client.Watch(ctx, w.prefix, clientv3.WithPrefix(), clientv3.WithFragment()) {
		w.mu.Lock()
		w.mu.err = answer.Err()
		for _, event := range answer.Events {
			part := w.part(event.GetKv().GetKey())
			if _, known := w.mu.counts[part]; !known && len(w.mu.counts) >= partsMax {
				part = others
			}
			w.mu.counts[part]++
		}
		w.mu.Unlock()
	}
}

// part is what a key is counted for: the prefix and, after it, some parts up to separators.
func (w *writes) part(key []byte) string {
	if w.separator == "" {
		return w.prefix
	}
	at := min(len(w.prefix), len(key))
	if strings.HasPrefix(string(key[at:]), w.separator) {
		at += len(w.separator) // a separator in front begins a part and ends none
	}
	for range w.depth {
		next := bytes.Index(key[at:], []byte(w.separator))
		if next < 0 {
			return string(key[:at])
		}
		at += next + len(w.separator)
	}
	return string(key[:at])
}

// take returns what was counted since it was taken last, the most often written first.
func (w *writes) take(since time.Duration) ([]rate, error) {
	w.mu.Lock()
	counts, err := w.mu.counts, w.mu.err
	w.mu.counts = map[string]int{}
	w.mu.Unlock()
	var all []rate
	for part, n := range counts {
		all = append(all, rate{part, float64(n) / since.Seconds()})
	}
	slices.SortFunc(all, func(a, b rate) int {
		return cmp.Or(cmp.Compare(b.PerSecond, a.PerSecond), cmp.Compare(a.Prefix, b.Prefix))
	})
	return all, err
}
