package descriptors_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/descriptors"
)

// Goal: whatever the limit, the parts fit in it with some to spare, and a larger one takes from none. Method: all limits up to one that is more than good.
func TestPartsFitInTheLimit(t *testing.T) {
	before := descriptors.Divide(0)
	for limit := 1; limit <= 20_000; limit++ {
		b := descriptors.Divide(limit)
		if limit >= descriptors.LimitMin {
			require.Less(t, 2*b.StoreFiles+b.Peers+b.Internal+b.Monitors+b.Subscribers+b.Clients, limit)
		}
		require.GreaterOrEqual(t, b.Clients, before.Clients/2, "limit %d", limit)
		require.GreaterOrEqual(t, b.Peers, before.Peers)
		require.Equal(t, limit >= descriptors.LimitGood, b.Advice() == "")
		before = b
	}
}

// Goal: this process's own limit is read. Method: no test runs with none.
func TestOurLimitIsKnown(t *testing.T) {
	b, err := descriptors.Ours()
	require.NoError(t, err)
	require.Positive(t, b.Limit)
}
