package etcdreplay

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// FuzzEntry: whatever the log of an etcd has, reading it ends: requests become commands that can be encoded, and changes of members leave every
// member under its own id.
func FuzzEntry(f *testing.F) {
	add := func(message proto.Message) {
		encoded, err := proto.Marshal(message)
		require.NoError(f, err)
		f.Add(encoded, "/0/members/1/attributes", `{"name":"a","clientURLs":["http://a"]}`)
	}
	put := &etcdserverpb.PutRequest{Key: []byte("k"), Value: []byte("v"), Lease: 7}
	add(&etcdserverpb.InternalRaftRequest{Put: put})
	add(&etcdserverpb.InternalRaftRequest{Txn: &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{{Key: []byte("k"), TargetUnion: &etcdserverpb.Compare_Version{Version: 1}}},
		Success: []*etcdserverpb.RequestOp{{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: put}}, {}},
	}})
	add(&raftpb.ConfChange{
		Type: raftpb.ConfChangeAddNode.Enum(), NodeId: proto.Uint64(2), Context: []byte(`{"id":2,"peerURLs":["http://b"],"isLearner":true}`),
	})
	f.Fuzz(func(t *testing.T, data []byte, path, value string) {
		members := NewMembers([]*consensusv1.Member{{Id: 1, PeerUrls: []string{"http://a"}}})
		_ = members.change(&raftpb.Entry{Data: data})
		_ = members.published(path, value)
		for id, member := range members {
			require.Equal(t, id, member.GetId())
		}
		request := &etcdserverpb.InternalRaftRequest{}
		if proto.Unmarshal(data, request) != nil || request.GetAuthUserAdd() != nil || request.GetAuthUserChangePassword() != nil {
			return // or a password is hashed, which takes its time
		}
		if command, err := commandOf(request); err == nil && command != nil {
			_, err := proto.Marshal(command)
			require.NoError(t, err)
		}
	})
}
