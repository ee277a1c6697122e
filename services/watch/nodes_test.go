package watch

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
)

func (f *fakeFeed) ReadIndex(context.Context, *consensusv1.ReadIndexRequest) (*consensusv1.ReadIndexResponse, error) {
	return &consensusv1.ReadIndexResponse{Revision: f.revision()}, nil
}

// waitMax is how long a test waits for what takes seconds, waitStep how often it looks.
const waitMax, waitStep = 20 * time.Second, 5 * time.Millisecond

// peerNode is one of several watch nodes.
type peerNode struct {
	*Service
	stop func()
}

// startNode runs a watch node with routes to peers until stop or the end of the test.
func startNode(t *testing.T, feed Feed, peers ...string) *peerNode {
	t.Helper()
	cfg := tightConfig(feed)
	cfg.Routes = &Routes{Listen: "127.0.0.1:0", Peers: peers}
	cfg.DeliveryBytesMax = 32 << 10
	s, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return &peerNode{s, stop}
}

// address is where other nodes come in.
func (n *peerNode) address(t *testing.T) string {
	t.Helper()
	eventually(t, func() bool { return n.bus.Load() != nil })
	return n.bus.Load().Server().RouteAddress().String()
}

// eventually waits until something is so, which must not take long.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	require.Eventually(t, is, waitMax, waitStep)
}

// ingesting waits until one node ingests, and returns it.
func ingesting(t *testing.T, nodes ...*peerNode) (found *peerNode) {
	t.Helper()
	eventually(t, func() bool {
		count := 0
		for _, n := range nodes {
			if n.ingesting.Load() {
				found, count = n, count+1
			}
		}
		return count == 1
	})
	return found
}

// Goal: one of several nodes ingests for all, and when it ends another does, with no event lost, doubled or out of
// order for the watches of the others. Method: three nodes with real routes, random commits beside random watches
// on the two that stay, the ingester's end half way.
func TestIngesterIsReplaced(t *testing.T) {
	feed := newFakeFeed()
	for range 50 {
		feed.commit(change{"key1", "before"})
	}
	first := startNode(t, feed)
	peer := first.address(t)
	nodes := []*peerNode{first, startNode(t, feed, peer), startNode(t, feed, peer)}
	lost := ingesting(t, nodes...)

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wait, added sync.WaitGroup
	written := make(chan struct{})
	for n, node := range nodes {
		if node == lost {
			continue
		}
		for i := range 4 {
			added.Add(1)
			wait.Go(func() {
				followNode(t, node.Service, rand.New(rand.NewPCG(seed, uint64(10*n+i))), feed, &added, written)
			})
		}
	}
	random := rand.New(rand.NewPCG(seed, 1000))
	for feed.revision() < modelRevisions/2 {
		feed.commit(randomChanges(random)...)
	}
	added.Wait()
	lost.stop()
	for feed.revision() < modelRevisions {
		feed.commit(randomChanges(random)...)
	}
	close(written)
	wait.Wait()
	var stay []*peerNode
	for _, n := range nodes {
		if n != lost {
			stay = append(stay, n)
		}
	}
	ingesting(t, stay...)
	require.Equal(t, 1, stay[0].routes())
}

// followNode watches in one session and checks what it is told when all is written.
func followNode(t *testing.T, s *Service, random *rand.Rand, feed *fakeFeed, added *sync.WaitGroup, written <-chan struct{}) {
	c := &client{session: s.Open(), watches: make(map[int64]*told)}
	defer c.session.Close()
	for id := range int64(modelWatches) {
		w := randomWatch(random, id, modelRevisions)
		c.watches[id] = &told{watch: w, revision: w.StartRevision - 1}
		assert.NoError(t, c.session.Add(w))
	}
	now := feed.revision()
	c.session.Progress(now)
	c.read(t, now)
	added.Done()
	<-written
	c.session.Progress(modelRevisions)
	through := c.read(t, modelRevisions)
	for _, w := range c.watches {
		w.check(t, feed.history(), through)
	}
}

// deafFeed tells what is new only to who asks: its stream stays silent.
type deafFeed struct{ *fakeFeed }

func (deafFeed) Tail(ctx context.Context, _ *consensusv1.TailRequest, _ func(*consensusv1.TailResponse) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// Goal: events reach watchers though the ingester's stream or the routes bring none, because every node asks for itself.
// Method: a node whose feed is silent and whose peer does not answer.
func TestPulseMakesUpForTheBroadcast(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	feed := newFakeFeed()
	n := startNode(t, deafFeed{feed}, silent.Addr().String())
	session := n.Open()
	defer session.Close()
	require.NoError(t, session.Add(&watchv1.Watch{Id: 1, Key: []byte("k"), StartRevision: firstRevision}))
	for _, value := range []string{"a", "b"} {
		revision := feed.commit(change{"k", value})
		d, err := session.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, revision, d.Revision)
		require.Equal(t, value, string(d.Batch.Events()[0].Kv.Value))
	}
}
