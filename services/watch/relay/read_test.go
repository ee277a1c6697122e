package relay

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: reads that are kept for others are bounded by bytes too ("128 large stretches stay for good"), the newest stay, and what is
// forgotten counts no more. Method: stretches of four megabytes, and one that is larger than all may be together.
func TestKeptReadsAreBoundedByBytes(t *testing.T) {
	r, err := New(Config{})
	require.NoError(t, err)
	keep := func(from int64, bytes int) readKey {
		key := readKey{from: from, vetted: true}
		event := &consensusv1.Event{Kv: &mvccpb.KeyValue{Key: []byte("k"), Value: make([]byte, bytes), ModRevision: from}}
		call := &readCall{got: &stretch{batch: delivery.NewBatch([]*consensusv1.Event{event}), through: from}}
		r.reads.mu.calls[key] = call
		r.reads.keep(key, call)
		return key
	}
	held := func() (bytes int) {
		for _, call := range r.reads.mu.calls {
			bytes += len(call.got.batch.Encoded())
		}
		return bytes
	}
	const each = 4 << 20
	for from := int64(1); from <= 3*budget.WatchReads/each; from++ {
		require.Contains(t, r.reads.mu.calls, keep(from, each))
		require.LessOrEqual(t, held(), budget.WatchReads)
	}
	require.Greater(t, held(), budget.WatchReads/2)
	keep(100, budget.WatchReads)
	require.Empty(t, r.reads.mu.calls)
	keep(101, each)
	r.reads.forget()
	require.Zero(t, held())
	require.Zero(t, r.reads.mu.bytes)
}
