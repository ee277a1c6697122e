package consensus

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Other users of the host read nothing of what the store holds, also where an earlier program let them.
func TestDataIsItsOwnersAlone(t *testing.T) {
	cfg := testConfig(nil)
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	r := start(t, cfg)
	r.mustPut(t, "k", "v")
	require.NoError(t, r.halt())
	requireOwnerOnly(t, cfg.DataDir)

	for _, name := range []string{"member", "member/left"} {
		path := filepath.Join(cfg.DataDir, name)
		require.NoError(t, os.MkdirAll(path, 0o755))
		require.NoError(t, os.Chmod(path, 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(cfg.DataDir, "member", "left", "file"), nil, 0o644))
	r = start(t, cfg)
	require.Equal(t, "v", r.get(t, "k"))
	require.NoError(t, r.halt())
	requireOwnerOnly(t, cfg.DataDir)
}

func requireOwnerOnly(t *testing.T, dir string) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := entry.Info()
		require.NoError(t, err)
		want := fs.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		} else {
			files++
		}
		require.Equal(t, want, info.Mode().Perm(), path)
		return nil
	}))
	require.Positive(t, files)
}
