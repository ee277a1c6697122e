package moving

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: a snapshot that leaves out the log says so: what a killed member has in its log alone is not in it. Method: the data of one that was killed behind a
// write, saved with the log and in both ways without it.
func TestASnapshotWithoutTheLogSaysSo(t *testing.T) {
	p := built(t)
	s := restored(t, p.quorate, "", "")
	_, err := dial(t, s, "", "").Put(t.Context(), "k", "v")
	require.NoError(t, err)
	s.Kill()
	for flag, says := range map[string]string{
		"--timeout=10s":  "entries were not yet in the state",
		"--without-log":  "; what the log has beyond that is left out",
		"--skip-damaged": "; what the log has beyond that is left out",
	} {
		said, err := exec.CommandContext(t.Context(), p.quorateutl, "snapshot", "save", filepath.Join(t.TempDir(), "saved.db"), "--data-dir", s.DataDir(), flag).CombinedOutput()
		require.NoError(t, err, "%s", said)
		require.Contains(t, string(said), says, flag)
	}
}
