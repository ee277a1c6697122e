package consensus

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: the tree shows nobody what they may not read: neither by reading, nor by what a write answers. Method: somebody who may write
// the files /w and /w/*, and read those below /r; each request by them and, to see that it would show something, by root.
func TestTreeShowsOnlyWhatMayBeRead(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	quick(&cfg)
	m := start(t, cfg)
	change := func(caller *consensusv1.Caller, op *consensusv1.TreeOp) (*consensusv1.TreeResult, error) {
		done, err := m.Propose(t.Context(), &consensusv1.ProposeRequest{
			Caller: caller, Command: &consensusv1.Command{Command: &consensusv1.Command_Tree{Tree: op}},
		})
		return done.GetResult().GetTree(), err
	}
	set := func(path, value string) *consensusv1.TreeOp {
		return &consensusv1.TreeOp{Action: consensusv1.TreeAction_TREE_ACTION_SET, Path: []byte(path), Value: []byte(value)}
	}
	read := func(caller *consensusv1.Caller, path string) error {
		_, err := m.ReadTree(t.Context(), &consensusv1.ReadTreeRequest{Path: []byte(path), Caller: caller})
		return err
	}
	lock(t, m)
	for _, command := range []*consensusv1.Command{
		permissionGrant("ann", consensusv1.Permission_TYPE_WRITE, "/w", "/w0"), permissionGrant("ann", consensusv1.Permission_TYPE_READ, "/r/", "/r0"),
	} {
		require.NoError(t, m.as(t.Context(), root, command))
	}
	for path, value := range map[string]string{"/w": "secret", "/r/a/b": "1", "/s/a": "2"} {
		_, err := change(root, set(path, value))
		require.NoError(t, err)
	}

	for path, refusal := range map[string]error{
		"/r": nil, "/r/a": nil, "/r/a/b": nil, "/r/none": nil,
		"/": errdefs.ErrPermissionDenied, "/s": errdefs.ErrPermissionDenied, "/s/a": errdefs.ErrPermissionDenied,
		"/s/none": errdefs.ErrPermissionDenied, "/w": errdefs.ErrPermissionDenied,
	} {
		require.ErrorIs(t, read(ann, path), refusal, path)
		require.NoError(t, read(root, path), path)
	}

	refresh := set("/w", "")
	refresh.Refresh, refresh.Expiration = true, 1<<62
	for _, op := range []*consensusv1.TreeOp{refresh, set("/w", "secret"), {Action: consensusv1.TreeAction_TREE_ACTION_DELETE, Path: []byte("/w")}} {
		done, err := change(ann, op)
		require.NoError(t, err)
		require.True(t, done.GetConcealed(), op)
		require.NotNil(t, done.GetPrevNode(), op)
		require.Empty(t, done.GetPrevNode().GetValue(), op)
		require.Equal(t, string(op.GetValue()), string(done.GetNode().GetValue()), op)
		_, err = change(root, set("/w", "secret"))
		require.NoError(t, err)
		done, err = change(root, op)
		require.NoError(t, err)
		require.False(t, done.GetConcealed())
		require.Equal(t, "secret", string(done.GetPrevNode().GetValue()), op)
		_, err = change(root, set("/w", "secret"))
		require.NoError(t, err)
	}
	compare := set("/w", "other")
	compare.Action, compare.PrevValue = consensusv1.TreeAction_TREE_ACTION_COMPARE_AND_SWAP, []byte("secret")
	_, err := change(ann, compare)
	require.ErrorIs(t, err, errdefs.ErrPermissionDenied, "a comparison tells what is there")
	_, err = change(ann, set("/s/a", ""))
	require.ErrorIs(t, err, errdefs.ErrPermissionDenied)
}
