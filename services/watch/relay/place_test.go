package relay

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/rpc/resolver"
)

// Goal: groups spread evenly over nodes, alike on every API node whatever the filters, and when a node goes only its own
// groups move. Method: made-up links, ten thousand keys, counted with five nodes and with four of them.
func TestPlacesSpread(t *testing.T) {
	const nodesCount, keys = 5, 10_000
	place := func(without uint64) map[string]uint64 {
		r := &Relay{}
		r.mu.links = make(map[*resolver.Node]*link)
		for number := uint64(1); number <= nodesCount; number++ {
			if number != without {
				r.mu.links[&resolver.Node{}] = &link{up: true, number: number}
			}
		}
		placed := make(map[string]uint64)
		for i := range keys {
			key := fmt.Sprintf("key/%d", i)
			best := r.bestLocked(&group{sel: selector{key: key}}, func(l *link) bool { return l.up })
			filtered := r.bestLocked(&group{sel: selector{key: key, prevKV: true}}, func(l *link) bool { return l.up })
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
