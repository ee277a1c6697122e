package v2

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: what the README shows of v2 works as it stands there. Method: run its lines in their order, against a server of
// our own in place of localhost:2379; the first word of the comment is the action of the answer.
func TestReadme(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	_, server := own(t)
	readme, err := os.Open(filepath.Join(harness.Root(), "README.md"))
	require.NoError(t, err)
	defer readme.Close()
	etcdctl, err := harness.Peer("etcdctl")
	require.NoError(t, err)
	ran := 0
	for lines := bufio.NewScanner(readme); lines.Scan(); {
		line, comment, _ := strings.Cut(strings.TrimSpace(lines.Text()), "#")
		switch {
		case strings.Contains(line, ":2379/v2/"):
			out := shell(t, strings.ReplaceAll(strings.Replace(line, "curl ", "curl -sS ", 1), "localhost:2379", server.Endpoint()))
			e := &event{}
			require.NoError(t, json.Unmarshal(out, e), "%s: %s", line, out)
			action, _, _ := strings.Cut(strings.TrimSpace(comment), ",")
			action, _, _ = strings.Cut(action, " ")
			require.Equal(t, action, e.Action, "%s: %s", line, out)
			ran++
		case line == "etcdctl get --prefix /" || strings.HasPrefix(line, "etcdctl get --prefix / "):
			out := shell(t, strings.Replace(line, "etcdctl", etcdctl+" --endpoints="+server.Endpoint(), 1))
			require.Contains(t, string(out), "/session\nmine\n")
			require.NotContains(t, string(out), "/message")
			ran++
		}
	}
	require.Equal(t, 9, ran, "the README shows other lines now")
}

func shell(t *testing.T, line string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "bash", "-c", line).CombinedOutput()
	require.NoError(t, err, "%s: %s", line, out)
	return out
}
