package election

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
)

// Goal: of any two claims every node prefers the same, whatever it hears first. Method: the table, with made-up times.
func TestSeat(t *testing.T) {
	const me = 5
	now := time.Now()
	for name, tc := range map[string]struct {
		holder uint64 // of term 3
		claim  broadcast.Claim
		want   uint64
		yields bool
	}{
		"same again":                {4, broadcast.Claim{Term: 3, Node: 4}, 4, false},
		"later term":                {4, broadcast.Claim{Term: 4, Node: 1}, 1, false},
		"earlier term":              {4, broadcast.Claim{Term: 2, Node: 9}, 4, false},
		"same term, higher node":    {4, broadcast.Claim{Term: 3, Node: 9}, 9, false},
		"same term, lower node":     {4, broadcast.Claim{Term: 3, Node: 2}, 4, false},
		"mine against a later term": {me, broadcast.Claim{Term: 4, Node: 1}, 1, true},
		"mine against a higher":     {me, broadcast.Claim{Term: 3, Node: 9}, 9, true},
		"mine against a lower":      {me, broadcast.Claim{Term: 3, Node: 2}, me, false},
		"mine against an old one":   {me, broadcast.Claim{Term: 1, Node: 9}, me, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := ballot{node: me, silence: Silence, settled: true, term: 3, holder: tc.holder, heardAt: now}
			require.Equal(t, tc.yields, s.heard(tc.claim, now))
			require.Equal(t, tc.want, s.holder)
			require.False(t, s.due(now.Add(Silence-1), 0))
			require.Equal(t, tc.want != me, s.due(now.Add(Silence), 0))
		})
	}
	s := ballot{node: me, silence: Silence, heardAt: now}
	s.heard(broadcast.Claim{Term: 7, Node: 4, Resigned: true}, now)
	require.True(t, s.due(now, 0), "nobody holds it")
	require.False(t, s.due(now, 1))
	s.take()
	require.Equal(t, broadcast.Claim{Term: 8, Node: me}, s.claim())
}

// Goal: a node that has just started works at once where nobody does, and takes the work from nobody. Method: the rules, with
// claims heard before and after its own.
func TestFirstClaimWaitsForNobody(t *testing.T) {
	const me = 5
	now := time.Now()
	alone := ballot{node: me, silence: Silence, heardAt: now}
	require.True(t, alone.due(now, longerMax), "nobody was heard")
	alone.take()
	require.Equal(t, broadcast.Claim{Node: me}, alone.claim())
	require.False(t, alone.due(now.Add(time.Hour), 0), "it has it")
	for term := range uint64(3) {
		holder := ballot{node: 4, silence: Silence, settled: true, term: term + 1, holder: 4, heardAt: now}
		require.False(t, holder.heard(alone.claim(), now), "who has claimed after a silence keeps the work")
	}
	require.True(t, alone.heard(broadcast.Claim{Term: 1, Node: 4}, now), "and is heard")
	late := ballot{node: me, silence: Silence, heardAt: now}
	late.heard(broadcast.Claim{Node: 4}, now)
	require.False(t, late.due(now, 0), "somebody works")
	require.True(t, late.due(now.Add(Silence), 0))
	late.take()
	require.Equal(t, broadcast.Claim{Term: 1, Node: me}, late.claim())
}

// Goal: the first node ingests before the watch of a client that waits for a second has missed its event. Method: one node and
// then another, in made-up time.
func TestFirstNodeWorksAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{}
		first := a.start(t, 1)
		<-time.After(ClaimInterval)
		require.Equal(t, []uint64{1}, workers(first))
		// Between two claims of the first: in one instant with them it may come before what it is to hear.
		<-time.After(time.Minute + ClaimInterval/2)
		second := a.start(t, 2)
		<-time.After(time.Minute)
		require.Equal(t, []uint64{1}, workers(first, second), "who starts later takes the work from nobody")
	})
}

// air carries claims between nodes that are not cut off.
type air struct {
	mu    sync.Mutex
	nodes []*node
}

// node is a candidate whose work is to be counted.
type node struct {
	air     *air
	number  uint64
	claims  chan broadcast.Claim
	cut     atomic.Bool
	unable  atomic.Bool
	working atomic.Bool
	stop    func()
}

func (a *air) start(t *testing.T, number uint64) *node {
	n := &node{air: a, number: number, claims: make(chan broadcast.Claim, 64)}
	a.mu.Lock()
	a.nodes = append(a.nodes, n)
	a.mu.Unlock()
	d := New(Config{
		Logger: slog.New(slog.DiscardHandler), Channel: n,
		Able: func() bool { return !n.unable.Load() },
		Work: func(ctx context.Context) {
			n.working.Store(true)
			<-ctx.Done()
			n.working.Store(false)
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
	t.Cleanup(n.stop)
	return n
}

func (n *node) Node() uint64                   { return n.number }
func (n *node) Claims() <-chan broadcast.Claim { return n.claims }
func (n *node) Claim(c broadcast.Claim) error {
	n.air.mu.Lock()
	defer n.air.mu.Unlock()
	for _, other := range n.air.nodes {
		if other != n && !n.cut.Load() && !other.cut.Load() {
			select {
			case other.claims <- c:
			default: // it has ended
			}
		}
	}
	return nil
}

// workers are the nodes that work.
func workers(nodes ...*node) []uint64 {
	synctest.Wait()
	var working []uint64
	for _, n := range nodes {
		if n.working.Load() {
			working = append(working, n.number)
		}
	}
	return working
}

// takeOver is the time within which another node works, as documented at Silence.
const takeOver = Silence + longerMax + ClaimInterval

// Goal: one node works, another takes over in the stated time when it ends, becomes unable or is cut off, and of two
// that work when a cut heals the one with the older term yields. Method: three nodes in made-up time.
func TestOneWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &air{}
		nodes := []*node{a.start(t, 1), a.start(t, 2), a.start(t, 3)}
		<-time.After(takeOver + ClaimInterval) // made-up time; those who claimed at once have heard each other
		first := workers(nodes...)
		require.Len(t, first, 1)
		<-time.After(time.Minute)
		require.Equal(t, first, workers(nodes...), "no change without a reason")

		unable := nodes[first[0]-1]
		unable.unable.Store(true)
		<-time.After(ClaimInterval + longerMax + ClaimInterval + ClaimInterval)
		second := workers(nodes...)
		require.Len(t, second, 1)
		require.NotEqual(t, first, second)

		cut := nodes[second[0]-1]
		cut.cut.Store(true)
		<-time.After(takeOver + ClaimInterval)
		both := workers(nodes...)
		require.Len(t, both, 2, "each side for itself")
		cut.cut.Store(false)
		<-time.After(2 * ClaimInterval)
		third := workers(nodes...)
		require.Len(t, third, 1)
		require.NotEqual(t, second, third, "who was cut off yields")

		unable.unable.Store(false)
		nodes[third[0]-1].stop()
		<-time.After(longerMax + 2*ClaimInterval) // told, not guessed
		require.Len(t, workers(nodes...), 1)
	})
}
