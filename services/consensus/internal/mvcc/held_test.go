package mvcc

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/budget"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: of a range that is sorted or filtered, and limited, no more is held than about what is wanted of it; and what is answered is what it would be if all were.
// Method: many keys, in an order that none of what they are sorted by is, some of them equal in it; ranges with limits beside the whole range, with what
// their answers were counted for.
func TestLimitedRangesHoldWhatIsWanted(t *testing.T) {
	const keys, valueBytes, heldMax = 8_000, 1000, 4 << 20
	s := openMem(t, vfs.NewMem())
	b := begin(s)
	for i := range keys {
		n := i * 7919 % keys
		value := fmt.Appendf(make([]byte, 0, valueBytes), "%05d", (n*31)%(keys/10))
		_, _, err := b.Apply(putCommand(fmt.Sprintf("k%05d", n), string(value[:valueBytes])))
		require.NoError(t, err)
	}
	b.SetApplied(1, 1)
	require.NoError(t, b.Commit())
	answers := budget.NewAnswers(1 << 40)
	answered := func(op *consensusv1.RangeOp) (*consensusv1.RangeResult, int64) {
		answer := answers.New(1)
		defer answer.Release()
		res, _, err := s.Range(answer.With(t.Context()), op)
		require.NoError(t, err)
		return res, answer.Bytes()
	}
	for _, target := range []consensusv1.RangeOp_SortTarget{
		consensusv1.RangeOp_SORT_TARGET_UNSPECIFIED, consensusv1.RangeOp_SORT_TARGET_VALUE, consensusv1.RangeOp_SORT_TARGET_MOD,
	} {
		for _, order := range []consensusv1.RangeOp_SortOrder{consensusv1.RangeOp_SORT_ORDER_ASCEND, consensusv1.RangeOp_SORT_ORDER_DESCEND} {
			for _, since := range []int64{0, 2} {
				op := &consensusv1.RangeOp{Key: []byte{0}, RangeEnd: []byte{0}, SortTarget: target, SortOrder: order, MinModRevision: since}
				all, _ := answered(op)
				for _, limit := range []int64{7, 1000} {
					op.Limit = limit
					few, held := answered(op)
					require.True(t, few.GetMore(), op)
					require.Equal(t, all.GetCount(), few.GetCount(), op)
					require.True(t, slices.EqualFunc(all.GetKvs()[:limit], few.GetKvs(), func(a, b *mvccpb.KeyValue) bool { return proto.Equal(a, b) }), op)
					require.Less(t, held, int64(heldMax), op)
				}
			}
		}
	}
}

// The keys of a lease are an answer whose memory is waited for, like that of a range.
func TestKeysOfALeaseWaitForRoom(t *testing.T) {
	const keys = 5_000
	s := openMem(t, vfs.NewMem())
	b := begin(s)
	_, _, err := b.Apply(&consensusv1.Command{Command: &consensusv1.Command_LeaseGrant{LeaseGrant: &consensusv1.LeaseGrantOp{Id: 7, Ttl: 60}}})
	require.NoError(t, err)
	for i := range keys {
		_, _, err := b.Apply(&consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: fmt.Appendf(nil, "k%05d", i), Lease: 7}}})
		require.NoError(t, err)
	}
	b.SetApplied(1, 1)
	require.NoError(t, b.Commit())
	synctest.Test(t, func(t *testing.T) {
		answers := budget.NewAnswers(1)
		other, mine := answers.New(1), answers.New(1)
		require.NoError(t, budget.Grow(other.With(t.Context()), 2))
		waits, cancel := context.WithTimeout(mine.With(t.Context()), time.Second)
		defer cancel()
		_, _, err := s.LeaseKeys(waits, 7)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		other.Release()
		found, exists, err := s.LeaseKeys(mine.With(t.Context()), 7)
		require.NoError(t, err)
		require.True(t, exists)
		require.Len(t, found, keys)
		mine.Release()
	})
}
