package etcdctl

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// shared is the server that most tests use, each below keys of its own.
var shared *harness.Server

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, func(s *harness.Server) { shared = s }))
}

// ctl runs etcdctl against a server.
type ctl struct {
	t      *testing.T
	server *harness.Server
}

// open gives a parallel test an etcdctl for the shared server.
func open(t *testing.T) *ctl {
	t.Helper()
	t.Parallel()
	return &ctl{t, shared}
}

func (c *ctl) command(args ...string) *exec.Cmd {
	c.t.Helper()
	return harness.Command(c.t, "etcdctl", append([]string{"--endpoints=" + c.server.Endpoint()}, args...)...)
}

// ok runs a command that must succeed and returns what it printed.
func (c *ctl) ok(args ...string) string {
	c.t.Helper()
	return c.given("", args...)
}

// given is ok with something on standard input.
func (c *ctl) given(input string, args ...string) string {
	c.t.Helper()
	cmd := c.command(args...)
	cmd.Stdin = strings.NewReader(input)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(c.t, err, "etcdctl %s: %s", strings.Join(args, " "), stderr.String())
	return string(out)
}

// fails runs a command that must fail and returns what it complained of.
func (c *ctl) fails(args ...string) string {
	c.t.Helper()
	out, err := c.command(args...).CombinedOutput()
	require.Error(c.t, err, "%s", out)
	return string(out)
}
