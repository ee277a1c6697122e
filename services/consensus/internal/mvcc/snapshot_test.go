package mvcc

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// A snapshot is the whole state of its moment, whatever is written, compacted and removed afterwards: take one, change
// everything, then read it.
func TestSnapshotIsOfItsMoment(t *testing.T) {
	s := openMem(t, vfs.NewMem())
	grant := &consensusv1.Command{Command: &consensusv1.Command_LeaseGrant{LeaseGrant: &consensusv1.LeaseGrantOp{Id: 7, Ttl: 60}}}
	acquire := &consensusv1.Command{Command: &consensusv1.Command_LeaseAcquire{LeaseAcquire: &consensusv1.LeaseAcquireOp{Holder: "h"}}}
	alarm := func(disarm bool) *consensusv1.Command {
		op := &consensusv1.AlarmOp{Alarm: &consensusv1.Alarm{MemberId: 1, Type: consensusv1.Alarm_TYPE_NOSPACE}, Disarm: disarm}
		return &consensusv1.Command{Command: &consensusv1.Command_Alarm{Alarm: op}}
	}
	applyAll(t, s, 1, grant, acquire, putCommand("b", "1"), putCommand("a", "1"), putCommand("b", "2"), deleteCommand("a", ""))
	applyAll(t, s, 2, compactCommand(3), alarm(false))
	ctx := context.Background()
	sn, err := s.Snapshot(ctx)
	require.NoError(t, err)
	revoke := &consensusv1.Command{Command: &consensusv1.Command_LeaseRevoke{LeaseRevoke: &consensusv1.LeaseRevokeOp{Ids: []int64{7}}}}
	applyAll(t, s, 3, alarm(true), revoke, acquire, putCommand("b", "3"), deleteCommand("b", ""), compactCommand(7))
	require.NoError(t, s.compactNow())
	require.NoError(t, s.Flush())

	index, term := sn.Applied()
	require.Equal(t, []uint64{2, 1, 1}, []uint64{index, term, sn.LeaseEpoch()})
	require.Equal(t, []int64{5, 3}, []int64{sn.Revision(), sn.CompactedRevision()})
	require.Len(t, sn.Alarms(), 1)
	leases, err := sn.Leases()
	require.NoError(t, err)
	require.Len(t, leases, 1)
	var got []string
	require.NoError(t, sn.Versions(ctx, func(sub, expiration int64, tombstone bool, kv *mvccpb.KeyValue) error {
		require.Zero(t, sub)
		require.Zero(t, expiration)
		if tombstone {
			got = append(got, "delete "+string(kv.GetKey()))
		} else {
			got = append(got, kvText(kv))
		}
		return nil
	}))
	require.Equal(t, []string{
		"delete a", "a=1(create 3 mod 3 version 1)", "b=2(create 2 mod 4 version 2)", "b=1(create 2 mod 2 version 1)",
	}, got)
	require.NoError(t, sn.Close())
}
