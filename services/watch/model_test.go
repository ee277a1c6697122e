package watch

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/quoratedb/quorate/services/watch/internal/node"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unreliable loses, doubles and delays what it passes on.
type unreliable struct {
	node.Source
	random *rand.Rand
	held   []*broadcast.Message
}

func (u *unreliable) Receive(ctx context.Context) (*broadcast.Message, error) {
	for {
		if len(u.held) > 0 && u.random.IntN(2) == 0 {
			m := u.held[0]
			u.held = u.held[1:]
			return m, nil
		}
		m, err := u.Source.Receive(ctx)
		if err != nil {
			return nil, err
		}
		switch u.random.IntN(5) {
		case 0: // lost
		case 1: // late
			u.held = append(u.held, m)
		case 2: // doubled
			u.held = append(u.held, m)
			return m, nil
		default:
			return m, nil
		}
	}
}

// start runs a service until the test ends, and checks that Run ends well.
func start(t testing.TB, cfg Config, source func(node.Source) node.Source) *Service {
	t.Helper()
	s, err := New(cfg)
	require.NoError(t, err)
	if source != nil {
		s.source = source
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return s
}

// tightConfig has limits so low that every path is taken: notices, catch-up from the ring and from history, full
// queues, deliveries cut at revisions.
func tightConfig(feed Feed) Config {
	return Config{
		Feed:                 feed,
		Logger:               slog.New(slog.DiscardHandler),
		HeartbeatInterval:    2 * time.Millisecond,
		PayloadBytesMax:      4 << 10,
		IngestBytesMax:       8 << 10,
		RingBytesMax:         16 << 10,
		SessionDeliveriesMax: 4,
		SessionBytesMax:      4 << 10,
		DeliveryBytesMax:     2 << 10,
		ReadsMax:             2,
	}
}

// told is what one watch was told.
type told struct {
	watch    *watchv1.Watch
	events   []*consensusv1.Event
	revision int64
	// compacted is set when the watch ended for that reason.
	compacted int64
}

// check fails if the events are not exactly those of the history that the watch is to see up to a revision.
func (w *told) check(t *testing.T, history []*consensusv1.Commit, through int64) {
	t.Helper()
	var want []string
	for _, commit := range history {
		if w.compacted != 0 && commit.Revision > w.revision {
			break
		}
		if commit.Revision < w.watch.StartRevision || commit.Revision > through {
			continue
		}
		for _, event := range commit.Events {
			dropped := w.watch.NoPut
			if event.Type == consensusv1.Event_DELETE {
				dropped = w.watch.NoDelete
			}
			if !dropped && inRange(event.Kv.Key, w.watch.Key, w.watch.RangeEnd) {
				want = append(want, describe(event, w.watch.PrevKv))
			}
		}
	}
	var got []string
	for _, event := range w.events {
		got = append(got, describe(event, true))
	}
	assert.Equal(t, want, got, "watch %v", w.watch)
}

func describe(e *consensusv1.Event, prevKV bool) string {
	s := fmt.Sprintf("%d %v %s=%s", e.Kv.ModRevision, e.Type, e.Kv.Key, e.Kv.Value)
	if prevKV && e.PrevKv != nil {
		s += fmt.Sprintf(" was %s@%d", e.PrevKv.Value, e.PrevKv.ModRevision)
	}
	return s
}

// client reads one session and checks what can be checked at once.
type client struct {
	session delivery.Session
	watches map[int64]*told
}

// read takes deliveries until the answer to a progress request at or after a revision, and returns its revision.
func (c *client) read(t *testing.T, until int64) int64 {
	for {
		d, err := c.session.Next(t.Context())
		if !c.accept(t, d, err) {
			return 0
		}
		if d.All && d.Revision >= until {
			return d.Revision
		}
	}
}

func (c *client) accept(t *testing.T, d *delivery.Delivery, err error) bool {
	if err != nil {
		t.Errorf("next: %v", err)
		return false
	}
	if d.All { // whatever comes now must be newer
		for _, w := range c.watches {
			if w.compacted == 0 {
				w.revision = max(w.revision, d.Revision)
			}
		}
		return true
	}
	w := c.watches[d.ID]
	if w == nil || w.compacted != 0 || d.Revision < w.revision || (d.Batch == nil) != (d.CompactedRevision != 0) {
		t.Errorf("unexpected %v", d)
		return false
	}
	if d.CompactedRevision != 0 {
		if w.revision, w.compacted = d.Revision, d.CompactedRevision; w.revision+1 >= w.compacted {
			t.Errorf("watch %d was told everything up to %d, and ended at compacted revision %d", d.ID, w.revision, w.compacted)
		}
		return true
	}
	for _, event := range d.Batch.Events() {
		if event.Kv.ModRevision <= w.revision || event.Kv.ModRevision > d.Revision {
			t.Errorf("watch %d was told everything up to %d, and now %d in a delivery up to %d", d.ID, w.revision, event.Kv.ModRevision, d.Revision)
			return false
		}
	}
	w.revision = d.Revision
	w.events = append(w.events, d.Batch.Events()...)
	return true
}

func randomWatch(random *rand.Rand, id, revisions int64) *watchv1.Watch {
	w := &watchv1.Watch{
		Id:            id,
		Key:           randomKey(random),
		StartRevision: 1 + random.Int64N(revisions+20),
		PrevKv:        random.IntN(2) == 0,
		NoPut:         random.IntN(6) == 0,
		NoDelete:      random.IntN(6) == 0,
	}
	switch random.IntN(4) {
	case 0:
		w.RangeEnd = randomKey(random)
	case 1:
		w.RangeEnd = []byte{0}
	case 2:
		w.Key, w.RangeEnd = []byte{0}, []byte{0}
	}
	return w
}

func randomChanges(random *rand.Rand) []change {
	var changes []change
	for range 1 + random.IntN(4) {
		c := change{key: string(randomKey(random))}
		if random.IntN(4) > 0 {
			c.value = string(make([]byte, 1+random.IntN(300)))
		}
		changes = append(changes, c)
	}
	return changes
}

func randomKey(random *rand.Rand) []byte {
	return fmt.Appendf(nil, "key%d", random.IntN(20))
}

// trouble is what a model test has its watches live with.
type trouble struct {
	lossy      bool // the broadcast loses, doubles and delays
	nats       bool // it takes NATS, from a node that ingests to one that has the watches
	compacting bool // history is compacted close behind the newest revision
}

// Goal: every watch is told exactly its part of history, in order, once, each revision whole, whatever the broadcast
// loses, doubles and delays and however slowly clients read; only where history is compacted it may end before its
// time, and says so. Method: random commits beside random watches in many sessions, under limits so tight that all
// paths are taken; a progress answer says when to compare with the history.
func TestWatchesAreToldExactlyTheirHistory(t *testing.T) {
	for name, trouble := range map[string]trouble{
		"calm":             {},
		"lossy":            {lossy: true},
		"compacting":       {compacting: true},
		"lossy compacting": {lossy: true, compacting: true},

		"calm, over NATS":             {nats: true},
		"lossy, over NATS":            {nats: true, lossy: true},
		"lossy compacting, over NATS": {nats: true, lossy: true, compacting: true},
	} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			checkModel(t, seed, trouble)
		})
	}
}

// Half of a model's commits come while watches are added, the others when all are there: so some of each kind are
// read live, whatever the machine's speed.
const modelRevisions, modelSessions, modelWatches = 600, 20, 6

// model is a service with the history that it is checked against.
type model struct {
	trouble trouble
	seed    uint64
	feed    *fakeFeed
	service *Service
	added   sync.WaitGroup // sessions that have yet to add their watches
	written chan struct{}  // closed when all commits are
	ended   atomic.Int64   // watches that ended because of compaction
}

func checkModel(t *testing.T, seed uint64, trouble trouble) {
	m := &model{trouble: trouble, seed: seed, feed: newFakeFeed(), written: make(chan struct{})}
	for range 50 {
		m.feed.commit(change{"key1", "before"})
	}
	var source func(node.Source) node.Source
	if trouble.lossy {
		source = func(s node.Source) node.Source {
			return &unreliable{Source: s, random: rand.New(rand.NewPCG(seed, 0))}
		}
	}
	cfg := tightConfig(m.feed)
	registry := prometheus.NewRegistry()
	registries := []*prometheus.Registry{registry}
	if trouble.nats {
		ingests := prometheus.NewRegistry()
		registries = append(registries, ingests)
		cfg.Routes = &Routes{Listen: "127.0.0.1:0", Peers: []string{startIngester(t, cfg, ingests)}}
	}
	cfg.Registerer = registry
	m.service = start(t, cfg, source)
	if trouble.nats {
		eventually(t, func() bool { return m.service.routes() == 1 })
	}

	m.added.Add(modelSessions)
	var wait sync.WaitGroup
	wait.Go(func() { m.write(t) })
	for n := range modelSessions {
		wait.Go(func() { m.follow(t, n) })
	}
	wait.Wait()

	// The test is worth nothing if the paths that it is about were not taken.
	require.Positive(t, metric(t, registry, "quorate_watch_slowed_total"))
	require.Positive(t, metric(t, registry, "quorate_watch_history_reads_total"))
	published, notices := 0.0, 0.0
	for _, registry := range registries {
		published += metric(t, registry, "quorate_watch_published_commits_total")
		notices += metric(t, registry, "quorate_watch_published_notices_total")
	}
	require.Positive(t, published)
	require.Equal(t, trouble.nats, notices > 0, "only NATS limits a message")
	if trouble.lossy {
		require.Positive(t, metric(t, registry, "quorate_watch_gaps_total"))
	}
	require.Equal(t, trouble.compacting, m.ended.Load() > 0)
	for _, name := range []string{
		"etcd_debugging_mvcc_watcher_total", "etcd_debugging_mvcc_watch_stream_total",
		"etcd_debugging_mvcc_slow_watcher_total", "etcd_debugging_mvcc_pending_events_total",
	} {
		require.Zero(t, metric(t, registry, name), name)
	}
}

// startIngester starts a node that ingests, and returns where other nodes come in.
func startIngester(t *testing.T, cfg Config, registry *prometheus.Registry) string {
	cfg.Routes, cfg.Registerer = &Routes{Listen: "127.0.0.1:0"}, registry
	n := &peerNode{Service: start(t, cfg, nil)}
	ingesting(t, n)
	return n.address(t)
}

// write makes the history.
func (m *model) write(t *testing.T) {
	defer close(m.written)
	random := rand.New(rand.NewPCG(m.seed, 1))
	pace := m.service.Open() // keeps the service from being left far behind
	defer pace.Close()
	assert.NoError(t, pace.Add(&watchv1.Watch{Key: []byte("key1"), StartRevision: m.feed.revision() + 1}))
	for m.feed.revision() < modelRevisions {
		if m.feed.revision() == modelRevisions/2 {
			m.added.Wait()
			m.feed.commit(change{"key7", string(make([]byte, 2*m.service.cfg.PayloadBytesMax))})
		}
		revision := m.feed.commit(randomChanges(random)...)
		if revision%20 == 0 {
			pace.Progress(revision)
			for d, err := pace.Next(t.Context()); err == nil && !d.All; {
				d, err = pace.Next(t.Context())
			}
		}
		if m.trouble.compacting && random.IntN(20) == 0 {
			m.feed.compact(max(1, revision-100))
		}
	}
}

// follow watches it in one session, every third of which takes nothing while the second half is written.
func (m *model) follow(t *testing.T, n int) {
	random := rand.New(rand.NewPCG(m.seed, uint64(2+n)))
	c := &client{session: m.service.Open(), watches: make(map[int64]*told)}
	defer c.session.Close()
	for id := range int64(modelWatches) {
		w := randomWatch(random, id, modelRevisions)
		c.watches[id] = &told{watch: w, revision: w.StartRevision - 1}
		assert.NoError(t, c.session.Add(w))
		now := m.feed.revision()
		c.session.Progress(now)
		c.read(t, now)
	}
	m.added.Done()
	if n%3 == 0 {
		<-m.written
	}
	c.session.Progress(modelRevisions)
	through := c.read(t, modelRevisions)
	for _, w := range c.watches {
		if w.compacted != 0 {
			m.ended.Add(1)
		}
		w.check(t, m.feed.history(), through)
	}
}

// metric returns, and logs, the value of a metric without labels.
func metric(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	found := value(t, registry, name)
	t.Logf("%s = %v", name, found)
	return found
}

func value(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			m := family.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
