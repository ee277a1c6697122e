package badinput

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: each of etcd's flags either works or is in docs/flags.md, with the reason. Method: the names in etcd's --help, against those in
// Quorate's --help-all that have an effect and the first table of that page.
func TestEveryFlagOfEtcdWorksOrIsDocumented(t *testing.T) {
	t.Parallel()
	newServer(t, t.TempDir())
	etcd, err := harness.Peer("etcd")
	require.NoError(t, err)
	theirs, err := exec.CommandContext(t.Context(), etcd, "--help").CombinedOutput()
	require.NoError(t, err)
	binary, err := harness.Binary()
	require.NoError(t, err)
	ours, err := exec.CommandContext(t.Context(), binary, "--help-all").CombinedOutput()
	require.NoError(t, err)
	page, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "flags.md"))
	require.NoError(t, err)
	table, _, _ := strings.Cut(string(page), "So do flags of older versions")
	names := regexp.MustCompile(`(?m)^  --([a-z0-9-]+)`).FindAllStringSubmatch(string(theirs), -1)
	require.Greater(t, len(names), 100)
	rows := strings.Count(table, "\n| `--")
	for _, name := range names {
		flag := "--" + name[1]
		usage := regexp.MustCompile(`(?m)^  ` + flag + `\s+(.*)`).FindStringSubmatch(string(ours))
		require.NotNil(t, usage, "%s is not known", flag)
		row := strings.Contains(table, "\n| `"+flag+"` |")
		require.Equal(t, strings.HasPrefix(usage[1], "Has no effect"), row, flag)
		if row {
			rows--
		}
	}
	require.Zero(t, rows, "rows of flags that etcd has not, or in two rows")
}
