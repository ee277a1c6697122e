package v3

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
)

// Goal: the head of an encoded response is what protobuf makes of it. Method: numbers at their limits, in each field.
func TestHeadIsEncodedAsProtobufDoes(t *testing.T) {
	options := proto.MarshalOptions{Deterministic: true}
	for _, id := range []uint64{0, 1, 127, 128, math.MaxUint64} {
		for _, revision := range []int64{0, 5, math.MaxInt64, math.MinInt64} {
			for _, watch := range []int64{0, 7, -1, math.MaxInt64} {
				for _, fragment := range []bool{false, true} {
					header := &etcdserverpb.ResponseHeader{ClusterId: id, MemberId: id, Revision: revision, RaftTerm: id}
					want, err := options.Marshal(&etcdserverpb.WatchResponse{Header: header, WatchId: watch, Fragment: fragment})
					require.NoError(t, err)
					got := encodeHead(header, watch, fragment)
					require.Equal(t, want, got)
					require.LessOrEqual(t, len(got), headBytesMax)
				}
			}
		}
	}
}
