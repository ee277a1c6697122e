package v2

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Goal: events have the bytes that encoding/json gives them. Method: both, of events of all shapes with strings that must be escaped and not.
func TestEventsAreEncodedAsJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		parts := []string{"/a", "plain text ~ 7", `"`, `\`, "<", ">", "&", "\x00\x1f\x7f", "\n\t", "é 世界 🙂", "\u2028\u2029", "\xff\xfe", "\xe4\xb8"}
		s := ""
		for range r.IntN(4) {
			s += parts[r.IntN(len(parts))]
		}
		return s
	}
	var make func(depth int) *node
	make = func(depth int) *node {
		n := &node{Key: text(), Dir: r.IntN(2) == 0, Modified: r.Int64N(3) * 1e12, Created: r.Int64N(2)}
		if r.IntN(2) == 0 {
			n.Value = new(text())
		}
		if r.IntN(3) == 0 {
			n.Expiration = new(time.Unix(0, r.Int64()).UTC())
			n.TTL = r.Int64N(1000) - 500
		}
		for range r.IntN(3) * depth {
			n.Nodes = append(n.Nodes, make(depth-1))
		}
		return n
	}
	for range 2000 {
		e := &event{Action: actionGet}
		if r.IntN(5) > 0 {
			e.Node = make(2)
		}
		if r.IntN(3) == 0 {
			e.Prev = make(0)
		}
		want, err := json.Marshal(e)
		require.NoError(t, err)
		require.Equal(t, string(want), string(e.appendTo(nil)))
	}
}

// BenchmarkEncode encodes the answer to a get of 256 bytes: go test -run - -bench Encode -benchmem ./services/api/internal/v2
func BenchmarkEncode(b *testing.B) {
	e := &event{Action: actionGet, Node: &node{Key: "/bench/00000001", Value: new(strings.Repeat("v", 256)), Modified: 1234, Created: 1234}}
	b.ReportAllocs()
	for b.Loop() {
		e.appendTo(nil)
	}
}
