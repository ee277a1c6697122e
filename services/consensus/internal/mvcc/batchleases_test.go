package mvcc

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// outcomesOf carries out commands as one batch, which is committed or given up.
func outcomesOf(t *testing.T, s *Store, commit bool, commands ...*consensusv1.Command) (errs []error) {
	t.Helper()
	b := begin(s)
	for _, c := range commands {
		_, _, err := b.Apply(c)
		errs = append(errs, err)
	}
	if !commit {
		require.NoError(t, b.Close())
		return errs
	}
	require.NoError(t, b.Commit())
	return errs
}

func revokeCommand(ids ...int64) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_LeaseRevoke{LeaseRevoke: &consensusv1.LeaseRevokeOp{Ids: ids}}}
}

// Goal: which leases there are is known from memory as from the rows: after a start, and not what a batch made that was given up. Method: leases
// are granted and revoked, committed and not, and asked for by grants and puts, before and after the store is opened anew.
func TestLeasesInMemoryAreThoseOfTheRows(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Config{Dir: dir})
	require.NoError(t, err)
	require.Equal(t, make([]error, 4), outcomesOf(t, s, true, grantCommand(1), grantCommand(2), grantCommand(3), revokeCommand(3)))
	require.Equal(t, make([]error, 2), outcomesOf(t, s, false, grantCommand(4), revokeCommand(1)))
	for range 2 {
		errs := outcomesOf(t, s, false, grantCommand(1), leasedCommand("k", 2), leasedCommand("k", 3), grantCommand(4), leasedCommand("k", 4), revokeCommand(4), leasedCommand("k", 4))
		require.ErrorIs(t, errs[0], errdefs.ErrLeaseExists)
		require.NoError(t, errs[1])
		require.ErrorIs(t, errs[2], errdefs.ErrLeaseNotFound)
		require.Equal(t, make([]error, 3), errs[3:6])
		require.ErrorIs(t, errs[6], errdefs.ErrLeaseNotFound)
		require.NoError(t, s.Close())
		s, err = Open(Config{Dir: dir})
		require.NoError(t, err)
	}
	require.NoError(t, s.Verify(t.Context(), atOnce))
	require.NoError(t, s.Close())
}

// Goal: leases that end together take their keys, all of them and no others. Method: leases of ids beside each other and at the ends of what
// ids there are, with none, one and several keys, in files, in memory and in the batch at hand, some of which have moved; every
// second one is revoked, in no order, by one command.
func TestLeasesThatEndTogetherTakeTheirKeys(t *testing.T) {
	s, err := Open(Config{Dir: t.TempDir()})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	ids := []int64{7, -1, 5, 1 << 62, 6, -1 << 63, 9, 8, 1<<63 - 1, 100}
	var grants, early, late []*consensusv1.Command
	left := map[string]int64{}
	for i, id := range ids {
		grants = append(grants, grantCommand(id))
		for n := range i % 4 {
			key := fmt.Sprintf("key %d %d", i, n)
			early, left[key] = append(early, leasedCommand(key, id)), id
		}
		key := fmt.Sprintf("late %d", i)
		late, left[key] = append(late, leasedCommand(key, id)), id
	}
	outcomesOf(t, s, true, append(grants, early...)...)
	require.NoError(t, s.Flush())
	moved := "key 3 0" // from lease 1<<62, which goes, to 7, which stays, and another one the other way
	outcomesOf(t, s, true, leasedCommand(moved, 7), leasedCommand("key 2 0", 1<<62))
	left[moved], left["key 2 0"] = 7, 1<<62
	var gone []int64
	for i, id := range ids {
		if i%2 == 1 {
			gone = append(gone, id)
		}
	}
	require.NotContains(t, outcomesOf(t, s, true, append(late, revokeCommand(gone...))...), errdefs.ErrLeaseNotFound)
	for key, id := range left {
		for _, g := range gone {
			if g == id {
				delete(left, key)
			}
		}
	}
	res, _, err := s.Range(t.Context(), &consensusv1.RangeOp{Key: []byte{0}, RangeEnd: []byte{0}})
	require.NoError(t, err)
	found := map[string]int64{}
	for _, kv := range res.GetKvs() {
		found[string(kv.GetKey())] = kv.GetLease()
	}
	require.Equal(t, left, found)
	require.NoError(t, s.Verify(t.Context(), atOnce))
}
