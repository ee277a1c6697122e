package match

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: a revision that does not fit the ring is not half kept. Method: a commit over the ring's limit, then a slow
// watch that needs it.
func TestRingHoldsWholeCommitsOrNone(t *testing.T) {
	r := ring{bytesMax: 1000}
	r.reset(4)
	for revision := int64(5); revision < 40; revision++ {
		r.add(&consensusv1.Commit{Revision: revision})
		require.LessOrEqual(t, r.bytes, r.bytesMax)
		require.Equal(t, revision, r.floor+int64(r.length))
		require.Equal(t, 0, r.search(0))
		require.Equal(t, r.length-1, r.search(revision))
		require.Equal(t, r.length, r.search(revision+1))
	}
	r.add(&consensusv1.Commit{Revision: 40, Events: []*consensusv1.Event{{Kv: &mvccpb.KeyValue{Value: make([]byte, 1000)}}}})
	require.Zero(t, r.length)
	require.Zero(t, r.bytes)
	require.EqualValues(t, 40, r.floor)
}
