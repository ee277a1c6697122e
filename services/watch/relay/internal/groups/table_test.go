package groups

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/sessionqueue"
)

// newest is how many revisions the store of the test has: revision r is a put of key k.
const newest = 60

func stretchOf(from, to int64) *delivery.Batch {
	var events []*consensusv1.Event
	for revision := from; revision <= to; revision++ {
		events = append(events, &consensusv1.Event{Kv: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: revision}})
	}
	return delivery.NewBatch(events)
}

// client is an outlet that takes a little at a time.
type client struct {
	queue sessionqueue.Queue[*Watch]
	told  map[*Watch]*strings.Builder
}

func (c *client) Push(e *Entry) bool { return c.queue.Push(e) }
func (c *client) LineUp(w *Watch)    { c.queue.LineUp(w) }

func (c *client) tell(w *Watch, b *delivery.Batch) {
	if b == nil {
		return
	}
	for _, event := range b.Events() {
		fmt.Fprintf(c.told[w], " %d", event.Kv.ModRevision)
	}
}

// next takes what is next, and has a watch that is behind read on: from memory, or else of the store.
func (c *client) next(t *Table) {
	e, behind := c.queue.Next()
	switch {
	case e != nil && !e.Watch.Ended():
		c.tell(e.Watch, e.Delivery.Batch)
	case behind != nil:
		if missing := t.CatchUp(behind); missing != nil {
			to := min(missing.From+2, newest)
			if d := t.Advance(behind, stretchOf(missing.From, to), to); d != nil {
				c.tell(behind, d.Batch)
			}
		}
	}
}

// asked are the subscriptions that a node was asked for and has not answered.
type asked struct{ join []int64 }

func (a *asked) Join(s *watchv1.Subscription) { a.join = append(a.join, s.Id) }
func (a *asked) Leave(int64)                  {}

// run has watches of one key at two nodes that come, go, tell and lag as a seed says, and returns what each watch was told,
// and from where on it wanted it.
func run(t *testing.T, seed uint64) (told []string, starts []int64) {
	random := rand.New(rand.NewPCG(seed, 0))
	table, now := NewTable(1000), time.Time{}
	c := &client{queue: sessionqueue.New[*Watch](3, 1<<20), told: map[*Watch]*strings.Builder{}}
	sel := SelectorOf(&watchv1.Watch{Key: []byte("k")})
	var watches []*Watch
	peers := [2]*asked{{}, {}}
	nodes := [2]*Node{NewNode(peers[0]), NewNode(peers[1])}
	at := [2]int64{}
	for _, n := range nodes {
		table.AddNode(n)
	}
	step := func(i int, live bool) {
		n, p := nodes[i], peers[i]
		for _, id := range p.join {
			table.Joined(n, id, at[i])
		}
		p.join = nil
		if !live {
			return
		}
		to := min(at[i]+1+random.Int64N(4), newest)
		if to > at[i] {
			table.Deliver(n, n.lastID, stretchOf(at[i]+1, to), to)
		}
		at[i] = to
		table.Heard(n, at[i], uint64(i), now)
	}
	for range 400 {
		now = now.Add(time.Second)
		i := random.IntN(2)
		switch random.IntN(8) {
		case 0:
			if len(watches) < 8 {
				w := &Watch{ID: int64(len(watches)), Out: c, Next: 1 + random.Int64N(newest)}
				watches, starts, c.told[w] = append(watches, w), append(starts, w.Next), &strings.Builder{}
				table.Add(w, sel)
			}
		case 1:
			table.Lost(nodes[i])
			peers[i].join = nil
		case 2:
			table.Settle(now)
		case 3, 4:
			step(i, nodes[i].Up() || random.IntN(4) == 0)
		default:
			c.next(table)
		}
	}
	// Now all is well.
	for range 200 {
		now = now.Add(time.Second)
		for i := range nodes {
			step(i, true)
		}
		for range 20 {
			c.next(table)
		}
	}
	require.Equal(t, len(watches), table.Len())
	require.Zero(t, table.Behind())
	for _, w := range watches {
		told = append(told, c.told[w].String())
	}
	for _, w := range watches {
		table.End(w)
	}
	require.Zero(t, table.Len())
	require.Zero(t, table.Groups())
	return told, starts
}

// Goal: whatever nodes do, each watch is told every event from its start on, once and in order, and twice the same. Method: seeds
// that say which nodes come, go and lag, how much clients take, and when watches move; one goroutine, no clock.
func TestWatchesAreToldAllOnce(t *testing.T) {
	for seed := range uint64(60) {
		told, starts := run(t, seed)
		for i, got := range told {
			var want strings.Builder
			for revision := starts[i]; revision <= newest; revision++ {
				fmt.Fprintf(&want, " %d", revision)
			}
			require.Equal(t, want.String(), got, "seed %d, watch %d", seed, i)
		}
		again, _ := run(t, seed)
		require.Equal(t, told, again, "seed %d", seed)
	}
}
