package v3

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
)

// The check of a transaction that is nested deep costs what its keys cost once, not on every level: a request of 800 KB took
// seconds of a processor. Method: what the same operations allocate below one level and below fifty.
func TestDeepNestingIsCheckedOnce(t *testing.T) {
	var puts []*etcdserverpb.RequestOp
	for i := range 2000 {
		puts = append(puts, &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestPut{
			RequestPut: &etcdserverpb.PutRequest{Key: fmt.Appendf(nil, "%04d", i)},
		}})
	}
	allocated := func(levels int) uint64 {
		r := &etcdserverpb.TxnRequest{Success: puts}
		for range levels {
			r = &etcdserverpb.TxnRequest{Success: []*etcdserverpb.RequestOp{{Request: &etcdserverpb.RequestOp_RequestTxn{RequestTxn: r}}}}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.NoError(t, checkOverlaps(r))
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	require.Less(t, allocated(50), 2*allocated(1))
}
