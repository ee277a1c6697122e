package auth

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func collect(needs Needs) (all []string) {
	_ = needs(func(n Need) error {
		all = append(all, fmt.Sprintf("%v %q %q %d", n.Type, n.Key, n.RangeEnd, n.Lease))
		return nil
	})
	return all
}

// Goal: a transaction needs all that it names, on every branch and however deep (CVE-2026-33343, CVE-2026-44283). Method: a
// transaction with one of each in another one.
func TestTransactionNeedsAllOfItsTree(t *testing.T) {
	key := func(s string) []byte { return []byte(s) }
	inner := &consensusv1.TxnOp{
		Compare: []*consensusv1.Compare{{Key: key("c"), RangeEnd: key("d")}},
		Success: []*consensusv1.Op{{Op: &consensusv1.Op_Put{Put: &consensusv1.PutOp{Key: key("p"), PrevKv: true, Lease: 7}}}},
		Failure: []*consensusv1.Op{{Op: &consensusv1.Op_DeleteRange{DeleteRange: &consensusv1.DeleteRangeOp{Key: key("e"), RangeEnd: key("\x00"), PrevKv: true}}}},
	}
	outer := &consensusv1.TxnOp{
		Success: []*consensusv1.Op{{Op: &consensusv1.Op_Range{Range: &consensusv1.RangeOp{Key: key("r")}}}},
		Failure: []*consensusv1.Op{{Op: &consensusv1.Op_Txn{Txn: inner}}},
	}
	require.Equal(t, []string{
		`TYPE_READ "r" "" 0`, `TYPE_READ "c" "d" 0`, `TYPE_WRITE "p" "" 0`, `TYPE_WRITE "" "" 7`, `TYPE_READ "p" "" 0`,
		`TYPE_WRITE "e" "\x00" 0`, `TYPE_READ "e" "\x00" 0`,
	}, collect(OfTxn(outer)))
}

// Goal: there is no command that anybody may have carried out. Method: every kind of command that the log knows, by nobody and by a user
// without a right.
func TestEveryCommandIsGuarded(t *testing.T) {
	k := locked(t)
	open := map[protoreflect.Name]bool{"compact": true, "lease_grant": true, "lease_revoke": true} // any user's; the lease has no keys
	oneof := (&consensusv1.Command{}).ProtoReflect().Descriptor().Oneofs().ByName("command").Fields()
	for i := range oneof.Len() {
		command := new(consensusv1.Command)
		field := oneof.Get(i)
		command.ProtoReflect().Set(field, command.ProtoReflect().NewField(field))
		nothing := func(int64, []Interval) (bool, error) { return false, nil }
		require.Error(t, k.state.OfCommand(nil, command, nothing), field.Name())
		err := k.state.OfCommand(&consensusv1.Caller{Name: "ann"}, command, nothing)
		if open[field.Name()] {
			require.NoError(t, err, field.Name())
			continue
		}
		if field.Name() == "txn" {
			require.NoError(t, err, "an empty transaction does nothing")
			continue
		}
		require.ErrorIs(t, err, errdefs.ErrPermissionDenied, field.Name())
		require.NoError(t, k.state.OfCommand(&consensusv1.Caller{Internal: true}, command, nothing), field.Name())
	}
}

// Goal: what a lease's end would delete must be the caller's to delete. Method: keys that are attached inside of the caller's rights,
// and outside.
func TestLeasesNeedTheirKeys(t *testing.T) {
	k := locked(t)
	k.must(grantPermission("ann", writes, "a", "c"))
	revoke := &consensusv1.Command{Command: &consensusv1.Command_LeaseRevoke{LeaseRevoke: &consensusv1.LeaseRevokeOp{Ids: []int64{1}}}}
	for key, refusal := range map[string]error{"a": nil, "b": nil, "c": errdefs.ErrPermissionDenied, "": errdefs.ErrPermissionDenied} {
		attached := func(lease int64, within []Interval) (bool, error) {
			require.EqualValues(t, 1, lease)
			for _, gap := range within {
				if key >= string(gap.Low) && (gap.High == nil || key < string(gap.High)) {
					return true, nil
				}
			}
			return false, nil
		}
		require.ErrorIs(t, k.state.OfCommand(&consensusv1.Caller{Name: "ann"}, revoke, attached), refusal, "%q", key)
	}
	expiry := &consensusv1.Command{Command: &consensusv1.Command_LeaseRevoke{LeaseRevoke: &consensusv1.LeaseRevokeOp{Ids: []int64{1}, Epoch: 3}}}
	require.ErrorIs(t, k.state.OfCommand(&consensusv1.Caller{Name: Root}, expiry, nil), errdefs.ErrPermissionDenied)
	require.NoError(t, k.state.OfCommand(&consensusv1.Caller{Internal: true}, expiry, nil))
}
