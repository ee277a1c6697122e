package offline

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: all of a whole directory is read and told; a byte that turned in any table of the state is found, and what is no data directory is refused.
// Method: a directory that was restored, with one thing wrong at a time.
func TestVerify(t *testing.T) {
	made := func() string {
		dataDir := t.TempDir()
		_, err := Restore(t.Context(), RestoreConfig{Snapshot: Snapshot{Path: file(t, full())}, DataDir: dataDir, Founding: founders})
		require.NoError(t, err)
		return dataDir
	}
	dataDir := made()
	v, err := Verify(t.Context(), VerifyConfig{DataDir: dataDir, Progress: func(int64, int64) {}})
	require.NoError(t, err)
	require.NotZero(t, v.Digest)
	require.Len(t, v.Members, 2)
	require.Equal(t, []int64{8, 3, 2, 1}, []int64{v.Revision, v.Compacted, v.Keys, int64(v.Leases)})
	require.Equal(t, []uint64{7, 2, 1, 1}, []uint64{v.ClusterID, v.MemberID, v.Applied, v.Term})
	again, err := Verify(t.Context(), VerifyConfig{DataDir: dataDir})
	require.NoError(t, err)
	require.Equal(t, v, again)

	open(t, dataDir)
	_, err = Verify(t.Context(), VerifyConfig{DataDir: dataDir})
	require.ErrorContains(t, err, "in use")
	none := t.TempDir()
	_, err = Verify(t.Context(), VerifyConfig{DataDir: none})
	require.ErrorIs(t, err, ErrNoData)
	left, err := os.ReadDir(none)
	require.NoError(t, err)
	require.Empty(t, left)

	bad := made()
	tables, err := filepath.Glob(filepath.Join(bad, "member", "state", "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, table := range tables {
		content, err := os.ReadFile(table)
		require.NoError(t, err)
		content[10] ^= 1
		require.NoError(t, os.WriteFile(table, content, 0o600))
	}
	_, err = Verify(t.Context(), VerifyConfig{DataDir: bad})
	require.Error(t, err)
	require.ErrorContains(t, err, bad)
}
