package membership

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func change(t *testing.T, kind raftpb.ConfChangeType, id uint64, urls ...string) *raftpb.ConfChange {
	t.Helper()
	encoded, err := proto.Marshal(&consensusv1.Member{PeerUrls: urls})
	require.NoError(t, err)
	return &raftpb.ConfChange{Type: kind.Enum(), NodeId: new(id), Context: encoded}
}

// Goal: a change makes the next version, or is refused with etcd's reason, and leaves the version before it as it was. Method:
// each change is made of a voter, a learner and somebody who was removed.
func TestChange(t *testing.T) {
	const add, learn, remove, update = raftpb.ConfChangeAddNode, raftpb.ConfChangeAddLearnerNode, raftpb.ConfChangeRemoveNode, raftpb.ConfChangeUpdateNode
	before := &consensusv1.MembersResponse{
		Members:    []*consensusv1.Member{{Id: 1, Name: "one", PeerUrls: []string{"http://1"}}, {Id: 5, PeerUrls: []string{"http://5"}, IsLearner: true}},
		RemovedIds: []uint64{9},
	}
	kept := proto.CloneOf(before)
	for name, c := range map[string]struct {
		change *raftpb.ConfChange
		err    error
		count  int
	}{
		"a voter comes":                    {change: change(t, add, 3, "http://3"), count: 3},
		"a learner comes":                  {change: change(t, learn, 3, "http://3"), count: 3},
		"a learner becomes a voter":        {change: change(t, add, 5), count: 2},
		"a voter goes":                     {change: change(t, remove, 1), count: 1},
		"a voter moves":                    {change: change(t, update, 1, "http://elsewhere"), count: 2},
		"to be where it is":                {change: change(t, update, 1, "http://1"), count: 2},
		"a voter cannot become one":        {change: change(t, add, 1), err: errdefs.ErrNotLearner},
		"nobody cannot become one":         {change: change(t, add, 3), err: errdefs.ErrMemberNotFound},
		"who is there cannot come":         {change: change(t, add, 1, "http://new"), err: errdefs.ErrMemberExists},
		"nor as a learner":                 {change: change(t, learn, 5, "http://new"), err: errdefs.ErrMemberExists},
		"nor where another is":             {change: change(t, add, 3, "http://1"), err: errdefs.ErrPeerInUse},
		"nor move there":                   {change: change(t, update, 5, "http://1"), err: errdefs.ErrPeerInUse},
		"who is not there cannot go":       {change: change(t, remove, 3), err: errdefs.ErrMemberNotFound},
		"nor move":                         {change: change(t, update, 3, "http://3"), err: errdefs.ErrMemberNotFound},
		"who was removed does not come":    {change: change(t, add, 9, "http://9"), err: errdefs.ErrMemberRemoved},
		"and is not removed once more":     {change: change(t, remove, 9), err: errdefs.ErrMemberRemoved},
		"who was removed does not move on": {change: change(t, update, 9, "http://9"), err: errdefs.ErrMemberRemoved},
	} {
		t.Run(name, func(t *testing.T) {
			after, err := Change(before, c.change)
			require.True(t, proto.Equal(kept, before), "the version before it is another one now")
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				require.True(t, IsChangeError(err))
				return
			}
			require.NoError(t, err)
			require.Len(t, after.GetMembers(), c.count)
			id := c.change.GetNodeId()
			member := Find(after, id)
			if c.change.GetType() == remove {
				require.Nil(t, member)
				require.Equal(t, []uint64{9, id}, after.GetRemovedIds())
				return
			}
			require.Equal(t, c.change.GetType() == learn, member.GetIsLearner())
			if id == 1 {
				require.Equal(t, "one", member.GetName(), "it is still the same")
			}
			for i, m := range after.GetMembers()[1:] {
				require.Less(t, after.GetMembers()[i].GetId(), m.GetId())
			}
		})
	}
}

// Goal: learners are bounded. Method: one more is added than there may be.
func TestLearnersAreBounded(t *testing.T) {
	version := &consensusv1.MembersResponse{}
	for id := uint64(1); id <= LearnersMax; id++ {
		var err error
		version, err = Change(version, change(t, raftpb.ConfChangeAddLearnerNode, id))
		require.NoError(t, err)
	}
	_, err := Change(version, change(t, raftpb.ConfChangeAddLearnerNode, LearnersMax+1))
	require.ErrorIs(t, err, errdefs.ErrTooManyLearners)
}

// Goal: what cannot be read is no refusal: it must not be passed over. Method: a change with a broken member.
func TestBrokenChangeIsNoRefusal(t *testing.T) {
	_, err := Change(&consensusv1.MembersResponse{}, &raftpb.ConfChange{Type: raftpb.ConfChangeAddNode.Enum(), NodeId: new(uint64(1)), Context: []byte{0xff}})
	require.Error(t, err)
	require.False(t, IsChangeError(err))
}

// Goal: the ids of removed members do not grow without end, and the newest are refused by name. Method: more members come and go
// than are remembered.
func TestRemovedMembersAreForgottenSomeDay(t *testing.T) {
	version := &consensusv1.MembersResponse{}
	const gone = RemovedIDsMax + 10
	for id := uint64(1); id <= gone; id++ {
		var err error
		version, err = Change(with(version, &consensusv1.Member{Id: id}), &raftpb.ConfChange{Type: raftpb.ConfChangeRemoveNode.Enum(), NodeId: new(id)})
		require.NoError(t, err)
	}
	require.Len(t, version.GetRemovedIds(), RemovedIDsMax)
	require.True(t, wasRemoved(version, gone))
	require.False(t, wasRemoved(version, 1))
	_, err := Change(version, &raftpb.ConfChange{Type: raftpb.ConfChangeRemoveNode.Enum(), NodeId: new(uint64(gone))})
	require.ErrorIs(t, err, errdefs.ErrMemberRemoved)
}

// Goal: a member that comes with other data does not take the place of the one that is known, and one of an older version, which says
// nothing of its data, keeps it. Method: publications one after the other.
func TestPublicationKeepsTheIncarnation(t *testing.T) {
	version := &consensusv1.MembersResponse{Members: []*consensusv1.Member{{Id: 1}}}
	say := func(name string, incarnation uint64) *consensusv1.Member {
		next, updated := publish(version, &consensusv1.PublishOp{MemberId: 1, Name: name, Incarnation: incarnation})
		if next != nil {
			require.Same(t, updated, Find(next, 1))
			version = next
		}
		return Find(version, 1)
	}
	require.Equal(t, uint64(7), say("a", 7).GetIncarnation())
	require.Equal(t, "a", say("b", 8).GetName())
	require.Equal(t, uint64(7), say("c", 0).GetIncarnation())
	require.Equal(t, "c", say("d", 9).GetName())
	require.Equal(t, "e", say("e", 7).GetName())
	gone, _ := publish(version, &consensusv1.PublishOp{MemberId: 2, Name: "removed meanwhile"})
	require.Nil(t, gone)
}
