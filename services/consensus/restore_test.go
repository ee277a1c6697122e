package consensus

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/offline"
)

// save writes a member's snapshot to a file.
func save(t *testing.T, m *running) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "snapshot.db")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, m.Snapshot(t.Context(), nil, func(r *consensusv1.SnapshotResponse) error {
		_, err := f.Write(r.GetBlob())
		return err
	}))
	require.NoError(t, f.Close())
	return path
}

func tree(op *consensusv1.TreeOp) *consensusv1.Command {
	return &consensusv1.Command{Command: &consensusv1.Command_Tree{Tree: op}}
}

// Goal: a member that is founded from another one's snapshot goes on from there: keys, history, directories, and users, who log in anew, since
// no token of the other cluster counts. Method: a member that is locked; its snapshot; another member, under whom a token of the first is
// tried, and ann and root log in.
func TestMemberGoesOnFromASnapshot(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	cfg.DataDir = t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(cfg.DataDir, "member"), 0o700))
	quick(&cfg)
	m := start(t, cfg)
	m.mustPut(t, "a", "1")
	m.mustPut(t, "a", "2")
	_, err := m.Propose(t.Context(), &consensusv1.ProposeRequest{Command: tree(&consensusv1.TreeOp{Action: consensusv1.TreeAction_TREE_ACTION_SET, Path: []byte("/d"), Dir: true})})
	require.NoError(t, err)
	lock(t, m)
	before, err := m.Auth.Authenticate(t.Context(), &consensusv1.AuthenticateRequest{Name: "ann", Password: "hers", Token: true})
	require.NoError(t, err)
	snapshot := save(t, m)
	require.NoError(t, m.halt())

	restored := testConfig(nil)
	restored.DataDir = filepath.Join(t.TempDir(), "restored")
	quick(&restored)
	_, err = offline.Restore(t.Context(), offline.RestoreConfig{Snapshot: offline.Snapshot{Path: snapshot}, DataDir: restored.DataDir, Founding: restored.founding()})
	require.NoError(t, err)
	n := start(t, restored)
	require.Equal(t, m.store().Revision(), n.store().Revision())
	require.ErrorIs(t, n.as(t.Context(), &consensusv1.Caller{Token: before.GetToken()}, put("a", "3")), errdefs.ErrInvalidAuthToken)
	_, err = n.Auth.Authenticate(t.Context(), &consensusv1.AuthenticateRequest{Name: "ann", Password: "his", Token: true})
	require.ErrorIs(t, err, errdefs.ErrAuthFailed)
	login, err := n.Auth.Authenticate(t.Context(), &consensusv1.AuthenticateRequest{Name: "ann", Password: "hers", Token: true})
	require.NoError(t, err)
	other, err := n.Auth.Authenticate(t.Context(), &consensusv1.AuthenticateRequest{Name: "root", Password: "secret", Token: true})
	require.NoError(t, err)
	require.NoError(t, n.as(t.Context(), &consensusv1.Caller{Token: login.GetToken()}, put("a", "3")))
	require.ErrorIs(t, n.as(t.Context(), &consensusv1.Caller{Token: login.GetToken()}, put("x", "3")), errdefs.ErrPermissionDenied)
	require.NoError(t, n.as(t.Context(), &consensusv1.Caller{Token: other.GetToken()}, put("x", "3")))
	old, err := n.Range(t.Context(), &consensusv1.RangeRequest{Range: &consensusv1.RangeOp{Key: []byte("a"), Revision: 2}, Caller: root})
	require.NoError(t, err)
	require.Equal(t, "1", string(old.GetResult().GetKvs()[0].GetValue()))
	dirs := 0
	sn, err := n.store().Snapshot(t.Context())
	require.NoError(t, err)
	require.NoError(t, sn.Dirs(t.Context(), func([]byte, *mvcc.Dir) error { dirs++; return nil }))
	require.NoError(t, sn.Close())
	require.Equal(t, 1, dirs)
}
