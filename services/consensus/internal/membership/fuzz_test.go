package membership

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// FuzzChange: whatever a change of members says, it is refused, or leaves each member once and the version before it as it was.
func FuzzChange(f *testing.F) {
	member, err := proto.Marshal(&consensusv1.Member{Name: "c", PeerUrls: []string{"http://c:2380"}})
	require.NoError(f, err)
	f.Add(int32(raftpb.ConfChangeAddNode), uint64(3), member)
	f.Add(int32(raftpb.ConfChangeAddLearnerNode), uint64(3), member)
	f.Add(int32(raftpb.ConfChangeUpdateNode), uint64(1), member)
	f.Add(int32(raftpb.ConfChangeRemoveNode), uint64(2), []byte(nil))
	f.Add(int32(9), uint64(0), []byte{0xff})
	f.Fuzz(func(t *testing.T, kind int32, id uint64, text []byte) {
		version := &consensusv1.MembersResponse{Members: []*consensusv1.Member{
			{Id: 1, PeerUrls: []string{"http://a:2380"}}, {Id: 2, PeerUrls: []string{"http://b:2380"}, IsLearner: true},
		}}
		before := proto.CloneOf(version)
		next, err := Change(version, &raftpb.ConfChange{Type: raftpb.ConfChangeType(kind).Enum(), NodeId: &id, Context: text})
		require.True(t, proto.Equal(before, version))
		if err != nil {
			return
		}
		seen := map[uint64]bool{}
		for _, one := range next.GetMembers() {
			require.False(t, seen[one.GetId()], "twice")
			seen[one.GetId()] = true
		}
	})
}
