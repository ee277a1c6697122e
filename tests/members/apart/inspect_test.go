package apart

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: what a person asks for goes through an API node as in one process. Method: quoratectl's own words that ask services of ours, one node of each kind.
func TestPeopleLookThroughAnAPINode(t *testing.T) {
	tool, err := harness.Make("build", filepath.Join("bin", "quoratectl"))
	require.NoError(t, err)
	s := start(t, harness.Sizes{Consensus: 1, Lease: 1, Watch: 1, API: 1}, false)
	client := dial(t, s.Endpoints()...)
	ctx := harness.Context(t)
	for _, value := range []string{"first", "second"} {
		_, err := client.Put(ctx, "/a/b", value)
		require.NoError(t, err)
	}
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"tree"}, []string{"a/", "1 key"}},
		{[]string{"history", "/a/b"}, []string{"created", "version 2"}},
		{[]string{"doctor"}, []string{"0 problems"}},
		{[]string{"quota", "set", "/a/", "--hard-keys=5"}, []string{"/a/"}},
		{[]string{"quota", "list"}, []string{"/a/", "5"}},
	} {
		said, err := exec.CommandContext(ctx, tool, append([]string{"--endpoints", s.Endpoints()[0]}, c.args...)...).CombinedOutput()
		require.NoError(t, err, "%q: %s", c.args, said)
		t.Logf("%q\n%s", c.args, said)
		for _, text := range c.says {
			require.Contains(t, string(said), text, "%q", c.args)
		}
	}
}
