package apart

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// writers write each to a key of its own, one after the other.
	writers = 4
	// leaseTTL is in seconds: longer than a take-over, and short enough to end within a test if nobody keeps it.
	leaseTTL = 6
	// putsToAdvance and keepAlivesToAdvance are how much must succeed until the load has got on.
	putsToAdvance       = 20
	keepAlivesToAdvance = 1
	// stuckAfter is when it has not: no fault may last longer for a client.
	stuckAfter = 40 * time.Second
	// putTimeout bounds a write, whose outcome is open then.
	putTimeout = 10 * time.Second
)

// load is what clients do while nodes fail.
type load struct {
	t       *testing.T
	client  *clientv3.Client
	stop    context.CancelFunc
	running sync.WaitGroup
	lease   clientv3.LeaseID

	mu struct {
		sync.Mutex
		acknowledged, tried [writers]int
		puts, keepAlives    int
		changed             chan struct{}
		// events are the numbers that the watcher was told of each writer's key, in order.
		events    [writers][]int
		revision  int64
		violation string
		leaseOver bool
	}
}

// begin starts the load through both API nodes.
func begin(t *testing.T, s *harness.Apart) *load {
	t.Helper()
	l := &load{t: t, client: dial(t, s.Endpoints()...)}
	l.mu.changed = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	t.Cleanup(func() { cancel(); l.running.Wait() })
	granted, err := l.client.Grant(ctx, leaseTTL)
	require.NoError(t, err)
	l.lease = granted.ID
	first, err := l.client.Put(ctx, "leased", "x", clientv3.WithLease(l.lease))
	require.NoError(t, err)
	kept, err := l.client.KeepAlive(ctx, l.lease)
	require.NoError(t, err)
	l.running.Go(func() { l.watchLease(ctx, kept) })
	// A client of its own for the watch: its stream moves when its API node fails.
	events := dial(t, s.Endpoints()...).Watch(ctx, "writer/", clientv3.WithPrefix(), clientv3.WithRev(first.Header.Revision))
	l.running.Go(func() { l.watchKeys(events) })
	for w := range writers {
		l.running.Go(func() { l.write(ctx, w) })
	}
	l.advance("at the beginning")
	return l
}

// note changes what is known, and wakes who waits for it.
func (l *load) note(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	close(l.mu.changed)
	l.mu.changed = make(chan struct{})
}

func (l *load) write(ctx context.Context, w int) {
	for n := 1; ctx.Err() == nil; n++ {
		l.note(func() { l.mu.tried[w] = n })
		bounded, cancel := context.WithTimeout(ctx, putTimeout)
		_, err := l.client.Put(bounded, fmt.Sprintf("writer/%d", w), strconv.Itoa(n))
		cancel()
		if err == nil {
			l.note(func() { l.mu.acknowledged[w] = n; l.mu.puts++ })
		}
	}
}

// watchLease counts keep-alives. The channel ends when the client takes the lease for lost.
func (l *load) watchLease(ctx context.Context, kept <-chan *clientv3.LeaseKeepAliveResponse) {
	for range kept {
		l.note(func() { l.mu.keepAlives++ })
	}
	if ctx.Err() == nil {
		l.note(func() { l.mu.leaseOver = true })
	}
}

func (l *load) watchKeys(responses clientv3.WatchChan) {
	for response := range responses {
		for _, event := range response.Events {
			w, _ := strconv.Atoi(strings.TrimPrefix(string(event.Kv.Key), "writer/"))
			n, _ := strconv.Atoi(string(event.Kv.Value))
			l.note(func() {
				if event.Kv.ModRevision <= l.mu.revision {
					l.mu.violation = fmt.Sprintf("revision %d was told after %d", event.Kv.ModRevision, l.mu.revision)
				}
				l.mu.revision = event.Kv.ModRevision
				l.mu.events[w] = append(l.mu.events[w], n)
			})
		}
	}
}

// until waits until something is so.
func (l *load) until(what string, so func() bool) {
	l.t.Helper()
	deadline := time.NewTimer(stuckAfter)
	defer deadline.Stop()
	for {
		l.mu.Lock()
		done, changed := so(), l.mu.changed
		l.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			require.FailNow(l.t, "the load does not get on", what)
		}
	}
}

// advance waits until writes and keep-alives have got on, and the watcher has seen the writes.
func (l *load) advance(when string) {
	l.t.Helper()
	began := time.Now()
	l.mu.Lock()
	puts, keepAlives := l.mu.puts+putsToAdvance, l.mu.keepAlives+keepAlivesToAdvance
	l.mu.Unlock()
	l.until("writes "+when, func() bool { return l.mu.puts >= puts })
	wrote := time.Since(began)
	l.mu.Lock()
	acknowledged := l.mu.acknowledged
	l.mu.Unlock()
	l.until("events "+when, func() bool { return l.seen(acknowledged) })
	l.until("keep-alives "+when, func() bool { return l.mu.keepAlives >= keepAlives || l.mu.leaseOver })
	require.False(l.t, l.mu.leaseOver, "the lease was lost %s", when)
	l.t.Logf("%-32s %d writes in %s", when, putsToAdvance, wrote.Round(time.Millisecond))
}

// seen tells whether the watcher has been told everything up to these numbers, or what a writer did after them.
func (l *load) seen(acknowledged [writers]int) bool {
	for w, n := range acknowledged {
		if events := l.mu.events[w]; n > 0 && (len(events) == 0 || events[len(events)-1] < n) {
			return false
		}
	}
	return true
}

// finish stops the load and judges what clients saw.
func (l *load) finish() {
	l.mu.Lock()
	acknowledged := l.mu.acknowledged
	l.mu.Unlock()
	l.until("the last events", func() bool { return l.seen(acknowledged) })
	ctx, cancel := context.WithTimeout(context.Background(), stuckAfter)
	defer cancel()
	leased, err := l.client.Get(ctx, "leased")
	require.NoError(l.t, err)
	require.Len(l.t, leased.Kvs, 1, "the lease was kept alive, its key is there")
	l.stop()
	l.running.Wait()
	require.Empty(l.t, l.mu.violation)
	for w := range writers {
		stored, err := l.client.Get(ctx, fmt.Sprintf("writer/%d", w))
		require.NoError(l.t, err)
		n, err := strconv.Atoi(string(stored.Kvs[0].Value))
		require.NoError(l.t, err)
		require.GreaterOrEqual(l.t, n, l.mu.acknowledged[w], "writer %d", w)
		require.LessOrEqual(l.t, n, l.mu.tried[w], "writer %d", w)
		history := map[int]int{}
		for _, told := range l.mu.events[w] {
			history[told]++
			require.Equal(l.t, 1, history[told], "writer %d's %d was told more than once", w, told)
		}
	}
	l.complete(ctx)
}

// complete compares what the watcher was told with the history of the store, read again from the beginning.
func (l *load) complete(ctx context.Context) {
	var again [writers][]int
	revision := int64(0)
	for response := range l.client.Watch(ctx, "writer/", clientv3.WithPrefix(), clientv3.WithRev(1)) {
		require.NoError(l.t, response.Err())
		for _, event := range response.Events {
			w, _ := strconv.Atoi(strings.TrimPrefix(string(event.Kv.Key), "writer/"))
			n, _ := strconv.Atoi(string(event.Kv.Value))
			if event.Kv.ModRevision <= l.mu.revision {
				again[w] = append(again[w], n)
			}
			revision = event.Kv.ModRevision
		}
		if revision >= l.mu.revision {
			break
		}
	}
	require.Equal(l.t, again, l.mu.events, "the watcher was told of every revision once, in order")
}
