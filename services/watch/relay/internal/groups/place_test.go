package groups

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: groups spread evenly over nodes, alike on every API node whatever the filters, and when a node goes only its own
// groups move. Method: made-up nodes, ten thousand keys, counted with five nodes and with four of them.
func TestPlacesSpread(t *testing.T) {
	const nodesCount, keys = 5, 10_000
	place := func(without uint64) map[string]uint64 {
		table := NewTable(0)
		for number := uint64(1); number <= nodesCount; number++ {
			if number != without {
				table.AddNode(&Node{up: true, number: number})
			}
		}
		placed := make(map[string]uint64)
		for i := range keys {
			key := fmt.Sprintf("key/%d", i)
			best := table.best(&group{sel: Selector{key: key}}, func(n *Node) bool { return n.up })
			filtered := table.best(&group{sel: Selector{key: key, prevKV: true}}, func(n *Node) bool { return n.up })
			require.Same(t, best, filtered, "equal ranges meet, whatever else is wanted")
			placed[key] = best.number
		}
		return placed
	}
	all, fewer := place(0), place(3)
	counts := make(map[uint64]int)
	for key, number := range all {
		counts[number]++
		if number != 3 {
			require.Equal(t, number, fewer[key], "it stays")
		} else {
			require.NotEqual(t, number, fewer[key])
		}
	}
	for number, count := range counts {
		require.InDelta(t, keys/nodesCount, count, keys/nodesCount/5, "node %d", number)
	}
}
