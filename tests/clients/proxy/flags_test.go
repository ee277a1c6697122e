package proxy

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

// Goal: each flag of etcd's command works or is in docs/proxy.md, with the reason. Method: the names in its --help, against those in ours that have
// an effect and the table of that page.
func TestEveryFlagOfEtcdWorksOrIsDocumented(t *testing.T) {
	t.Parallel()
	etcd, err := harness.Peer("etcd")
	require.NoError(t, err)
	theirs, err := exec.CommandContext(t.Context(), etcd, "grpc-proxy", "start", "--help").CombinedOutput()
	require.NoError(t, err)
	binary, err := harness.Binary()
	require.NoError(t, err)
	ours, err := exec.CommandContext(t.Context(), binary, "grpc-proxy", "start", "--help").CombinedOutput()
	require.NoError(t, err)
	page, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "proxy.md"))
	require.NoError(t, err)
	names := regexp.MustCompile(`(?m)^ +(?:-[a-z], )?--([a-z0-9-]+)`).FindAllStringSubmatch(string(theirs), -1)
	require.Greater(t, len(names), 30)
	for _, name := range names {
		if name[1] == "help" {
			continue
		}
		usage := regexp.MustCompile(`(?m)^  --` + name[1] + `\s+(.*)`).FindStringSubmatch(string(ours))
		require.NotNil(t, usage, "--%s is not known", name[1])
		idle := strings.HasPrefix(usage[1], "Has no effect")
		require.Equal(t, idle, strings.Contains(string(page), "\n| `--"+name[1]+"` | nothing, with a warning |"), name[1])
	}
}
