package clientv3

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
)

// Goal: a streamed range adds up to the range. Method: 6 MB of keys, more than any message may hold, merged and compared
// with the range in pages; then each option that a stream takes.
func TestRangeStream(t *testing.T) {
	k := open(t)
	value := strings.Repeat("v", 20_000)
	for i := range 300 {
		k.put(fmt.Sprintf("%03d", i), value)
	}
	stream := func(t *testing.T, opts ...clientv3.OpOption) (*clientv3.GetResponse, int) {
		chunks, err := k.GetStream(k.ctx, k.key(""), opts...)
		require.NoError(t, err)
		merged, count := &clientv3.GetResponse{}, 0
		for chunk := range chunks {
			require.NoError(t, chunk.Err())
			if chunk.RangeResponse == nil {
				continue
			}
			count++
			require.Nil(t, merged.Header, "only the last chunk has a header")
			merged.Kvs = append(merged.Kvs, chunk.RangeResponse.Kvs...)
			merged.Header, merged.More, merged.Count = chunk.RangeResponse.Header, chunk.RangeResponse.More, chunk.RangeResponse.Count
		}
		require.NotNil(t, merged.Header)
		return merged, count
	}
	all, chunks := stream(t, clientv3.WithPrefix())
	require.Greater(t, chunks, 1)
	require.Len(t, all.Kvs, 300)
	require.EqualValues(t, 300, all.Count)
	require.False(t, all.More)
	for i, kv := range all.Kvs {
		require.Equal(t, k.key(fmt.Sprintf("%03d", i)), string(kv.Key))
		require.Equal(t, value, string(kv.Value))
	}

	limited, _ := stream(t, clientv3.WithPrefix(), clientv3.WithLimit(250))
	require.Len(t, limited.Kvs, 250)
	require.EqualValues(t, 300, limited.Count)
	require.True(t, limited.More)

	count, _ := stream(t, clientv3.WithPrefix(), clientv3.WithCountOnly())
	require.Empty(t, count.Kvs)
	require.EqualValues(t, 300, count.Count)

	keys, _ := stream(t, clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithSerializable())
	require.Len(t, keys.Kvs, 300)
	require.Empty(t, keys.Kvs[7].Value)

	old, _ := stream(t, clientv3.WithPrefix(), clientv3.WithRev(all.Kvs[9].ModRevision))
	require.Len(t, old.Kvs, 10)

	none, _ := stream(t, clientv3.WithRange(k.key("\x00")))
	require.Empty(t, none.Kvs)
}

// Goal: a stream refuses what it cannot do as it goes. Method: each such request's code and text.
func TestRangeStreamRefusals(t *testing.T) {
	k := open(t)
	at := k.put("a", "v")
	raw := pb.NewKVClient(k.ActiveConnection())
	for name, c := range map[string]struct {
		request *pb.RangeRequest
		code    codes.Code
		text    string
	}{
		"no key":         {&pb.RangeRequest{}, codes.InvalidArgument, "etcdserver: key is not provided"},
		"sort target":    {&pb.RangeRequest{Key: []byte("a"), SortTarget: 9}, codes.InvalidArgument, "etcdserver: invalid sort option"},
		"order":          {&pb.RangeRequest{Key: []byte("a"), SortOrder: pb.RangeRequest_DESCEND}, codes.Unimplemented, "RangeStream does not support custom sort orders"},
		"by value":       {&pb.RangeRequest{Key: []byte("a"), SortTarget: pb.RangeRequest_VALUE, SortOrder: pb.RangeRequest_ASCEND}, codes.Unimplemented, "RangeStream does not support custom sort orders"},
		"revision bound": {&pb.RangeRequest{Key: []byte("a"), MinModRevision: 2}, codes.Unimplemented, "RangeStream does not support revision filters"},
		"future":         {&pb.RangeRequest{Key: []byte("a"), Revision: at + 1_000_000}, codes.OutOfRange, "etcdserver: mvcc: required revision is a future revision"},
	} {
		t.Run(name, func(t *testing.T) {
			stream, err := raw.RangeStream(k.ctx, c.request)
			require.NoError(t, err)
			_, err = stream.Recv()
			refused(t, err, c.code, c.text)
		})
	}
}
