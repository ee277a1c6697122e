package datadir

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: what is forced leaves this member alone, and raft has a voter after each change; who does not belong to the cluster cannot be
// left alone in it. Method: member 2 of different clusters.
func TestForcingChanges(t *testing.T) {
	voter := func(id uint64) *consensusv1.Member { return &consensusv1.Member{Id: id} }
	learner := func(id uint64) *consensusv1.Member { return &consensusv1.Member{Id: id, IsLearner: true} }
	type change struct {
		kind raftpb.ConfChangeType
		id   uint64
	}
	for name, c := range map[string]struct {
		members []*consensusv1.Member
		want    []change
		err     error
	}{
		"alone":   {members: []*consensusv1.Member{voter(2)}},
		"a voter": {members: []*consensusv1.Member{voter(1), voter(2), learner(3)}, want: []change{{raftpb.ConfChangeRemoveNode, 1}, {raftpb.ConfChangeRemoveNode, 3}}},
		"a learner": {
			members: []*consensusv1.Member{voter(1), learner(2)},
			want:    []change{{raftpb.ConfChangeAddNode, 2}, {raftpb.ConfChangeRemoveNode, 1}},
		},
		"a stranger": {members: []*consensusv1.Member{voter(1), voter(3)}, err: ErrNotForced},
		"no cluster": {err: ErrNotForced},
	} {
		t.Run(name, func(t *testing.T) {
			changes, err := forcingChanges(&consensusv1.MembersResponse{Members: c.members}, 2)
			require.ErrorIs(t, err, c.err)
			var got []change
			for _, one := range changes {
				got = append(got, change{one.GetType(), one.GetNodeId()})
			}
			require.Equal(t, c.want, got)
		})
	}
}
