package statemachine

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/prefixquota"
)

// Goal: who sees a quota that is to be counted can count it: its record, and the keys that it begins with, are there. Method: somebody
// who waits for quotas counts each at once, as the leader does, while the batch that made it is still being committed.
func TestQuotaIsSeenAfterItsRows(t *testing.T) {
	m := open(t)
	const rounds = 300
	sums := make(chan error, rounds)
	for i := range rounds {
		before, err := m.Quotas()
		require.NoError(t, err)
		prefix := fmt.Appendf(nil, "/%d/", i)
		go func() {
			<-before.Replaced()
			state := before
			for state == before {
				state, _ = m.Quotas()
			}
			keys, _, record, err := mvcc.SumPrefix(t.Context(), m.store, prefix, prefixquota.UseRecord(prefix), func(context.Context, int) error { return nil })
			if err == nil && (!state.IsCounting(prefix) || keys != 1 || record == nil) {
				err = fmt.Errorf("%s: counting: %v, keys: %d, record: %x", prefix, state.IsCounting(prefix), keys, record)
			}
			sums <- err
		}()
		applyAll(t, m.Begin(), uint64(i+1), putCommand(string(prefix)+"x", "v"), &consensusv1.Command{Command: &consensusv1.Command_Quota{Quota: &consensusv1.QuotaOp{
			Op: &consensusv1.QuotaOp_Set{Set: &consensusv1.QuotaSetOp{Prefix: prefix}},
		}}})
		require.NoError(t, <-sums)
	}
}
