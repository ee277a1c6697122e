package v3_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// TestHeadersNameTheStoreThatIsThereNow: after the store was replaced by one of another cluster, in a lower term, no header shows
// the ids and the term of the first; also on a watch stream that was there before, and whether the API was told of it or hears
// it in an answer.
func TestHeadersNameTheStoreThatIsThereNow(t *testing.T) {
	for name, told := range map[string]bool{"told": true, "heard in an answer": false} {
		t.Run(name, func(t *testing.T) {
			var term, cluster atomic.Uint64
			term.Store(9)
			cluster.Store(clusterID)
			consensus := &fakeConsensus{
				position: func(context.Context) (*consensusv1.PositionResponse, error) {
					return &consensusv1.PositionResponse{ClusterId: cluster.Load(), MemberId: memberID, RaftTerm: term.Load(), Revision: revision}, nil
				},
				members: func(*consensusv1.MembersRequest) (*consensusv1.MembersResponse, error) {
					return &consensusv1.MembersResponse{}, nil
				},
				rangeKeys: func(context.Context, *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
					return &consensusv1.RangeResponse{Revision: revision, RaftTerm: term.Load()}, nil
				},
			}
			w := startWatching(t, consensus, nil)
			w.create(&etcdserverpb.WatchCreateRequest{Key: []byte("k")})
			_, err := w.stream.Recv()
			require.NoError(t, err)
			added := <-w.session.added

			cluster.Store(12)
			term.Store(2)
			if told {
				w.services.StoreReplaced()
			} else {
				_, err := w.services.Cluster.MemberList(t.Context(), &etcdserverpb.MemberListRequest{})
				require.NoError(t, err)
			}
			want := &etcdserverpb.ResponseHeader{ClusterId: 12, MemberId: memberID, Revision: revision, RaftTerm: 2}
			read, err := w.services.KV.Range(t.Context(), &etcdserverpb.RangeRequest{Key: []byte("k")})
			require.NoError(t, err)
			equal(t, want, read.GetHeader())
			w.session.deliveries <- &delivery.Delivery{ID: added.GetId(), Revision: revision}
			w.expect(&etcdserverpb.WatchResponse{Header: want})
		})
	}
}
