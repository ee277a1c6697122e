package watch

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/delivery"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
	"github.com/quoratedb/quorate/pkg/rpc/validation"
	"github.com/quoratedb/quorate/services/watch/relay"
	"github.com/quoratedb/quorate/services/watch/rpc"
)

// road is the way from an API node to a watch node, which can be blocked: then connections stay and nothing moves, as
// with a process that is stopped; or closed.
type road struct {
	listener net.Listener
	mu       struct {
		sync.Mutex
		to      string
		blocked chan struct{} // open while the road is blocked, nil otherwise
		conns   map[net.Conn]bool
	}
	running sync.WaitGroup
}

func newRoad(t *testing.T, to string) *road {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &road{listener: listener}
	r.mu.to, r.mu.conns = to, make(map[net.Conn]bool)
	r.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.running.Go(func() { r.carry(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		r.open()
		r.cut()
		r.running.Wait()
	})
	return r
}

func (r *road) url() string { return "http://" + r.listener.Addr().String() }

// carry copies both ways until one side closes.
func (r *road) carry(near net.Conn) {
	r.mu.Lock()
	to := r.mu.to
	r.mu.Unlock()
	far, err := net.Dial("tcp", to)
	if err != nil {
		near.Close()
		return
	}
	r.mu.Lock()
	r.mu.conns[near], r.mu.conns[far] = true, true
	r.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			buf := make([]byte, 32<<10)
			for {
				n, err := way[0].Read(buf)
				r.pass()
				if n > 0 {
					_, _ = way[1].Write(buf[:n])
				}
				if err != nil {
					near.Close()
					far.Close()
					return
				}
			}
		})
	}
	both.Wait()
	r.mu.Lock()
	delete(r.mu.conns, near)
	delete(r.mu.conns, far)
	r.mu.Unlock()
}

// pass waits while the road is blocked.
func (r *road) pass() {
	r.mu.Lock()
	blocked := r.mu.blocked
	r.mu.Unlock()
	if blocked != nil {
		<-blocked
	}
}

func (r *road) block() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.blocked = make(chan struct{})
}

func (r *road) open() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.blocked != nil {
		close(r.mu.blocked)
		r.mu.blocked = nil
	}
}

// cut closes all connections.
func (r *road) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.mu.conns {
		conn.Close()
	}
}

func (r *road) lead(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.to = to
}

// serveNode serves a watch node to API nodes until stop or the end of the test, and returns its address.
func serveNode(t *testing.T, n *peerNode) (address string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle(rpc.NewHandler(n, validation.Check))
	server := &http.Server{Handler: mux, Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	stop = sync.OnceFunc(func() {
		server.Close()
		assert.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

// startRelay runs a relay over these nodes until the end of the test.
func startRelay(t *testing.T, cfg relay.Config, urls ...string) *relay.Relay {
	t.Helper()
	set, err := resolver.New(resolver.Config{Endpoints: urls})
	require.NoError(t, err)
	cfg.Nodes = set
	r, err := relay.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	return r
}

// tightRelay has limits so low that every path is taken.
func tightRelay(registry *prometheus.Registry) relay.Config {
	return relay.Config{
		Registerer: registry, SessionDeliveriesMax: 4, SessionBytesMax: 4 << 10, RecentBytesMax: 8 << 10, ReadsMax: 8,
	}
}

// Goal: one watch through a relay sees what was and what comes, and is told progress. Method: one node, in one process,
// with the wire between.
func TestRelay(t *testing.T) {
	feed := newFakeFeed()
	feed.commit(change{"k", "old"})
	address, _ := serveNode(t, startNode(t, feed))
	r := startRelay(t, relay.Config{}, "http://"+address)
	session := r.Open()
	defer session.Close()
	require.NoError(t, session.Add(&watchv1.Watch{Id: 7, Key: []byte("k"), StartRevision: firstRevision}))
	for _, value := range []string{"old", "new"} {
		if value == "new" {
			feed.commit(change{"k", value})
		}
		d, err := session.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(7), d.ID)
		require.Equal(t, value, string(d.Batch.Events()[0].Kv.Value))
	}
	feed.commit(change{"other", "x"})
	session.Progress(feed.revision())
	d, err := session.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, &delivery.Delivery{All: true, Revision: feed.revision()}, d)
	require.NoError(t, r.Check(t.Context()))
}

// Goal: a watch that asked for progress is told so while nothing happens, at its group's revision, and events come
// behind that. Method: a short interval.
func TestRelayTellsProgress(t *testing.T) {
	feed := newFakeFeed()
	address, _ := serveNode(t, startNode(t, feed))
	r := startRelay(t, relay.Config{ProgressInterval: 20 * time.Millisecond}, "http://"+address)
	session := r.Open()
	defer session.Close()
	require.NoError(t, session.Add(&watchv1.Watch{Id: 7, Key: []byte("k"), StartRevision: firstRevision, ProgressNotify: true}))
	last := feed.commit(change{"other", "x"})
	for {
		d, err := session.Next(t.Context())
		require.NoError(t, err)
		require.Nil(t, d.Batch)
		require.Equal(t, int64(7), d.ID)
		if d.Revision == last {
			break
		}
		require.Less(t, d.Revision, last)
	}
	last = feed.commit(change{"k", "v"})
	for {
		d, err := session.Next(t.Context())
		require.NoError(t, err)
		if d.Batch != nil {
			require.Equal(t, last, d.Batch.First())
			break
		}
		require.Less(t, d.Revision, last, "told before the event")
	}
}

// opener is what the model's clients watch through.
type opener interface{ Open() delivery.Session }

// followRelay watches a random part of the history in one session, and checks what it was told when all is written. It
// returns how many of the watches ended because of compaction.
func followRelay(t *testing.T, o opener, random *rand.Rand, feed *fakeFeed, lazy bool, written <-chan struct{}) (ended int) {
	c := &client{session: o.Open(), watches: make(map[int64]*told)}
	defer c.session.Close()
	for id := range int64(modelWatches) {
		w := randomWatch(random, id, modelRevisions)
		c.watches[id] = &told{watch: w, revision: w.StartRevision - 1}
		assert.NoError(t, c.session.Add(w))
		now := feed.revision()
		c.session.Progress(now)
		c.read(t, now)
	}
	if lazy {
		<-written
	}
	var through int64
	for done := false; !done && !t.Failed(); {
		select {
		case <-written:
			done = true
		default:
		}
		now := feed.revision()
		c.session.Progress(now)
		through = c.read(t, now)
	}
	for _, w := range c.watches {
		w.check(t, feed.history(), through)
		if w.compacted != 0 {
			ended++
		}
	}
	return ended
}

// Goal: where history is compacted behind them, relayed watches end there, say so, and were told everything before.
// Method: as with compaction in one process: the history is cut close behind the newest revision.
func TestRelayedWatchesEndWhereHistoryIsCompacted(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	feed := newFakeFeed()
	for range 50 {
		feed.commit(change{"key1", "before"})
	}
	address, _ := serveNode(t, startNode(t, feed))
	r := startRelay(t, tightRelay(prometheus.NewRegistry()), "http://"+address)
	var wait sync.WaitGroup
	var ended atomic.Int64
	written := make(chan struct{})
	for n := range 10 {
		wait.Go(func() {
			ended.Add(int64(followRelay(t, r, rand.New(rand.NewPCG(seed, uint64(n))), feed, n%3 == 0, written)))
		})
	}
	random := rand.New(rand.NewPCG(seed, 1000))
	for tick := time.NewTicker(2 * time.Millisecond); feed.revision() < modelRevisions; <-tick.C {
		feed.commit(randomChanges(random)...)
		if random.IntN(20) == 0 {
			feed.compact(max(1, feed.revision()-100))
		}
	}
	close(written)
	wait.Wait()
	require.Positive(t, ended.Load())
}

// Goal: every client of an API node is told exactly its part of history, in order, once, each revision whole, whatever
// becomes of the watch nodes. Method: three nodes with routes behind roads that are blocked, cut and led to other nodes
// while a store is written and random watches, many of them equal, read or do not.
func TestRelayedWatchesAreToldExactlyTheirHistory(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	feed := newFakeFeed()
	for range 50 {
		feed.commit(change{"key1", "before"})
	}
	first := startNode(t, feed)
	peer := first.address(t)
	var roads []*road
	var urls []string
	var stops []func()
	watchNodes := []*peerNode{first, startNode(t, feed, peer), startNode(t, feed, peer)}
	for _, n := range watchNodes {
		address, stop := serveNode(t, n)
		r := newRoad(t, address)
		roads, urls = append(roads, r), append(urls, r.url())
		stops = append(stops, func() {
			n.stop()
			stop()
		})
	}
	registry := prometheus.NewRegistry()
	r := startRelay(t, tightRelay(registry), urls...)
	up := func(count int) {
		eventually(t, func() bool { return value(t, registry, "quorate_watch_nodes_up") == float64(count) })
	}
	losing := func(trouble func()) {
		before := value(t, registry, "quorate_watch_nodes_lost_total")
		trouble()
		eventually(t, func() bool { return value(t, registry, "quorate_watch_nodes_lost_total") > before })
	}
	up(3)

	written := make(chan struct{})
	var wait sync.WaitGroup
	for n := range 20 {
		wait.Go(func() { followRelay(t, r, rand.New(rand.NewPCG(seed, uint64(n))), feed, n%3 == 0, written) })
	}
	writing, stopWriting := context.WithCancel(t.Context())
	writer := make(chan struct{})
	go func() { // slowly, so that the troubles fall into it
		defer close(writer)
		random := rand.New(rand.NewPCG(seed, 1000))
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-writing.Done():
				tick.Stop()
				return
			case <-tick.C:
				feed.commit(randomChanges(random)...)
			}
		}
	}()
	for _, road := range roads {
		losing(road.block)
		road.open()
		up(3)
		losing(road.cut)
		up(3)
	}
	losing(stops[0])
	address, _ := serveNode(t, startNode(t, feed, watchNodes[1].address(t)))
	roads[0].lead(address)
	up(3)
	stopWriting()
	<-writer
	close(written)
	wait.Wait()
	for _, name := range []string{"quorate_watch_slowed_total", "quorate_watch_reads_total", "quorate_watch_moves_total"} {
		require.Positive(t, metric(t, registry, name), name)
	}
	for _, name := range []string{
		"etcd_debugging_mvcc_watcher_total", "etcd_debugging_mvcc_watch_stream_total",
		"etcd_debugging_mvcc_slow_watcher_total", "etcd_debugging_mvcc_pending_events_total", "quorate_watch_subscriptions",
	} {
		require.Zero(t, metric(t, registry, name), name)
	}
}
