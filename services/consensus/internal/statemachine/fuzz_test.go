package statemachine

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/validation"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// FuzzApply: whatever command passes the rules of what services send each other, carrying it out ends, with a result or with a refusal:
// a command that panics would end every member.
func FuzzApply(f *testing.F) {
	for _, seed := range seeds() {
		encoded, err := proto.Marshal(seed)
		require.NoError(f, err)
		f.Add(encoded)
	}
	store, err := mvcc.Open(mvcc.Config{Dir: "state", FS: vfs.NewMem()})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, store.Close()) })
	machine := New(store)
	f.Fuzz(func(t *testing.T, encoded []byte) {
		command := &consensusv1.Command{}
		if proto.Unmarshal(encoded, command) != nil || validation.Check(command) != nil {
			return
		}
		command.Caller = &consensusv1.Caller{Internal: true}
		batch := machine.Begin()
		defer func() { require.NoError(t, batch.Close()) }()
		for _, before := range []*consensusv1.Command{putCommand("a", "1"), putCommand("/b/c", "2"), command} {
			if _, _, err := batch.Apply(before); err != nil {
				require.True(t, Refuses(err), "%v", err)
			}
		}
	})
}

func seeds() []*consensusv1.Command {
	op := &consensusv1.Op{Op: &consensusv1.Op_Put{Put: &consensusv1.PutOp{Key: []byte("a"), Value: []byte("b"), PrevKv: true}}}
	look := &consensusv1.Op{Op: &consensusv1.Op_Range{Range: &consensusv1.RangeOp{Key: []byte("a"), RangeEnd: []byte{0}, Limit: 3, SortOrder: 2, SortTarget: 3}}}
	compare := &consensusv1.Compare{Key: []byte("a"), Relation: consensusv1.Compare_RELATION_EQUAL, Target: &consensusv1.Compare_Version{Version: 1}}
	return []*consensusv1.Command{
		putCommand("k", "v"),
		{Command: &consensusv1.Command_DeleteRange{DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte("a"), RangeEnd: []byte{0}, PrevKv: true}}},
		{Command: &consensusv1.Command_Txn{Txn: &consensusv1.TxnOp{Compare: []*consensusv1.Compare{compare}, Success: []*consensusv1.Op{op, look}, Failure: []*consensusv1.Op{look}}}},
		{Command: &consensusv1.Command_LeaseGrant{LeaseGrant: &consensusv1.LeaseGrantOp{Id: 7, Ttl: 60}}},
		{Command: &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{Alarm: &consensusv1.Alarm{MemberId: 1, Type: consensusv1.Alarm_TYPE_NOSPACE}}}},
		{Command: &consensusv1.Command_Tree{Tree: &consensusv1.TreeOp{Action: consensusv1.TreeAction_TREE_ACTION_SET, Path: []byte("/b/d"), Value: []byte("v")}}},
		{Command: &consensusv1.Command_Auth{Auth: &consensusv1.AuthOp{Op: &consensusv1.AuthOp_RoleAdd{RoleAdd: &consensusv1.RoleAddOp{Name: "r"}}}}},
		{Command: &consensusv1.Command_Compact{Compact: &consensusv1.CompactOp{Revision: 1}}},
	}
}
