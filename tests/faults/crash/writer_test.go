package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sort"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	writers = 6
	// keysPerWriter is small, so that most writes replace something.
	keysPerWriter = 8
	// answerWithin is how long a writer waits before it counts a write as neither done nor not done.
	answerWithin = 5 * time.Second
	// pauseBetween is how long it waits before it tries a server again that is down.
	pauseBetween = 5 * time.Millisecond
)

// attempt is one write transaction that was sent. Its sequence number is the value that it puts, so no two look alike.
type attempt struct {
	sequence int
	puts     []string
	deletes  []string
	acked    bool
	// revision is where an acknowledged attempt took effect, 0 if it changed nothing.
	revision int64
}

// writer sends one write after the other and remembers what it was told of each.
type writer struct {
	id     int
	client *clientv3.Client
	random *rand.Rand
	mu     struct {
		sync.Mutex
		attempts []*attempt
	}
}

func newWriter(id int, seed uint64, endpoint string) (*writer, error) {
	client, err := harness.Dial(endpoint)
	return &writer{id: id, client: client, random: rand.New(rand.NewPCG(seed, uint64(id)))}, err
}

func (w *writer) key(i int) string { return fmt.Sprintf("w%d/%d", w.id, i) }

// run writes until ctx ends; the write that is under way then is waited for.
func (w *writer) run(ctx context.Context) {
	for ctx.Err() == nil {
		if !w.write() {
			select {
			case <-ctx.Done():
			case <-time.After(pauseBetween):
			}
		}
	}
}

// write sends one transaction: mostly a put, sometimes several keys at once or a deletion. It reports whether it was acknowledged.
func (w *writer) write() bool {
	a := &attempt{}
	switch p := w.random.IntN(10); {
	case p < 7:
		a.puts = []string{w.key(w.random.IntN(keysPerWriter))}
	case p < 9:
		first := w.random.IntN(keysPerWriter - 2)
		a.puts, a.deletes = []string{w.key(first), w.key(first + 1)}, []string{w.key(first + 2)}
	default:
		a.deletes = []string{w.key(w.random.IntN(keysPerWriter))}
	}
	w.mu.Lock()
	w.mu.attempts = append(w.mu.attempts, a)
	a.sequence = len(w.mu.attempts)
	w.mu.Unlock()

	var ops []clientv3.Op
	for _, key := range a.puts {
		ops = append(ops, clientv3.OpPut(key, strconv.Itoa(a.sequence)))
	}
	for _, key := range a.deletes {
		ops = append(ops, clientv3.OpDelete(key))
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	resp, err := w.client.Txn(ctx).Then(ops...).Commit()
	if err != nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	a.acked = true
	if len(a.puts) > 0 || resp.Responses[0].GetResponseDeleteRange().Deleted > 0 {
		a.revision = resp.Header.Revision
	}
	return true
}

// tried is a copy of what has been tried so far.
func (w *writer) tried() []attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	var attempts []attempt
	for _, a := range w.mu.attempts {
		attempts = append(attempts, *a)
	}
	return attempts
}

// possible are the values that each key may have, "" for none: what the last acknowledged attempt at it left, or one after it that was
// not answered.
func possible(attempts []attempt) map[string]map[string]bool {
	values := map[string]map[string]bool{}
	note := func(key, value string, acked bool) {
		if values[key] == nil || acked {
			values[key] = map[string]bool{}
			if !acked {
				values[key][""] = true
			}
		}
		values[key][value] = true
	}
	for _, a := range attempts {
		for _, key := range a.puts {
			note(key, strconv.Itoa(a.sequence), a.acked)
		}
		for _, key := range a.deletes {
			note(key, "", a.acked)
		}
	}
	return values
}

// events are what a watch must say of an attempt that took effect, deletions of keys that were there aside.
func (a *attempt) events() []string {
	var events []string
	for _, key := range a.puts {
		events = append(events, "PUT "+key+" "+strconv.Itoa(a.sequence))
	}
	sort.Strings(events)
	return events
}
