package v3

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// FuzzTxn: whatever a transaction's bytes are, checking it ends, and one that passes becomes a command in which nothing is missing.
func FuzzTxn(f *testing.F) {
	put := &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: &etcdserverpb.PutRequest{Key: []byte("a"), Value: []byte("b")}}}
	remove := &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestDeleteRange{RequestDeleteRange: &etcdserverpb.DeleteRangeRequest{Key: []byte("b"), RangeEnd: []byte{0}}}}
	look := &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestRange{RequestRange: &etcdserverpb.RangeRequest{Key: []byte("c"), SortOrder: 2, SortTarget: 4, Limit: -1}}}
	compare := &etcdserverpb.Compare{Key: []byte("a"), Result: 9, Target: 7, TargetUnion: &etcdserverpb.Compare_Value{Value: []byte("v")}}
	txn := &etcdserverpb.TxnRequest{Compare: []*etcdserverpb.Compare{compare}, Success: []*etcdserverpb.RequestOp{put, look}, Failure: []*etcdserverpb.RequestOp{remove}}
	nested := &etcdserverpb.TxnRequest{Success: []*etcdserverpb.RequestOp{{Request: &etcdserverpb.RequestOp_RequestTxn{RequestTxn: txn}}}}
	for _, seed := range []*etcdserverpb.TxnRequest{txn, nested, {Success: []*etcdserverpb.RequestOp{{}}}} {
		encoded, err := proto.Marshal(seed)
		require.NoError(f, err)
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		r := &etcdserverpb.TxnRequest{}
		if proto.Unmarshal(encoded, r) != nil || checkTxn(r, 16) != nil || checkOverlaps(r) != nil {
			return
		}
		isReadOnly(r)
		isSerializable(r)
		whole(t, toTxnOp(r))
	})
}

// whole looks whether a transaction of the store has all that the store counts on.
func whole(t *testing.T, op *consensusv1.TxnOp) {
	for _, compare := range op.GetCompare() {
		require.NotEmpty(t, compare.GetKey())
		require.NotNil(t, compare.GetTarget())
		require.NotZero(t, compare.GetRelation())
	}
	for _, branch := range [][]*consensusv1.Op{op.GetSuccess(), op.GetFailure()} {
		for _, one := range branch {
			require.NotNil(t, one.GetOp())
			if nested := one.GetTxn(); nested != nil {
				whole(t, nested)
			}
		}
	}
}
