package node

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
)

// Goal: what a commit means to the tree is told to watches that ask for it, once and before its events, if a path that
// changed without an event is watched or an event is. Method: one commit, to a live watch and to one that reads it from the
// ring or from history.
func TestWatchesOfTheTree(t *testing.T) {
	node := func(path string) *consensusv1.TreeNode { return &consensusv1.TreeNode{Path: []byte(path)} }
	put := &consensusv1.Event{Kv: &mvccpb.KeyValue{Key: []byte("/d/k"), ModRevision: 7}}
	plain := &consensusv1.Commit{Revision: 7, Events: []*consensusv1.Event{put}}
	expired := &consensusv1.Commit{Revision: 7, Events: []*consensusv1.Event{put}, Tree: &consensusv1.TreeChange{}}
	set := &consensusv1.Commit{Revision: 7, Events: []*consensusv1.Event{put}, Tree: &consensusv1.TreeChange{Node: node("/d/k")}}
	made := &consensusv1.Commit{Revision: 7, Tree: &consensusv1.TreeChange{Node: node("/e")}}
	removed := &consensusv1.Commit{
		Revision: 7, Events: []*consensusv1.Event{put}, Tree: &consensusv1.TreeChange{Node: node("/d"), Removed: [][]byte{[]byte("/d/x")}},
	}
	for _, c := range []struct {
		key, end string
		tree     bool
		commit   *consensusv1.Commit
		want     []consensusv1.Event_Type
	}{
		{"/d/k", "", true, plain, []consensusv1.Event_Type{consensusv1.Event_PUT}},
		{"/d/k", "", true, expired, []consensusv1.Event_Type{consensusv1.Event_TREE, consensusv1.Event_PUT}},
		{"/d/k", "", true, set, []consensusv1.Event_Type{consensusv1.Event_TREE, consensusv1.Event_PUT}},
		{"/d/k", "", false, set, []consensusv1.Event_Type{consensusv1.Event_PUT}},
		{"/d", "/d0", true, set, []consensusv1.Event_Type{consensusv1.Event_TREE, consensusv1.Event_PUT}},
		{"/e", "", true, expired, nil},
		{"/e", "", true, made, []consensusv1.Event_Type{consensusv1.Event_TREE}},
		{"/e", "", false, made, nil},
		{"/", "0", false, made, nil},
		{"/d/x", "", true, removed, []consensusv1.Event_Type{consensusv1.Event_TREE}},
		{"/d", "", true, removed, []consensusv1.Event_Type{consensusv1.Event_TREE}},
		{"/d/y", "", true, removed, nil},
	} {
		for _, live := range []bool{true, false} {
			bubble(t, 6, nil, func(h *harness) {
				request := &watchv1.Watch{Id: 1, Key: []byte(c.key), RangeEnd: []byte(c.end), Tree: c.tree, StartRevision: 7}
				s := h.node.Open()
				if live {
					require.NoError(h, s.Add(request))
				}
				h.history.commits = append(h.history.commits, c.commit)
				h.send(&broadcast.Message{Follows: 6, Through: 7, Commits: []*consensusv1.Commit{c.commit}})
				if !live {
					require.NoError(h, s.Add(request))
				}
				var got []consensusv1.Event_Type
				if len(c.want) > 0 {
					for _, e := range h.next(s).Batch.Events() {
						require.Equal(h, int64(7), e.Kv.ModRevision)
						got = append(got, e.Type)
					}
				}
				h.nothing(s)
				require.Equal(h, c.want, got, "%s to %s, tree=%t, live=%t, %v", c.key, c.end, c.tree, live, c.commit)
			})
		}
	}
}
