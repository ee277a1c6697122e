package ctl

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// tool is a command-line tool, perhaps with a server of its own, on which it alone does anything.
type tool struct {
	program string
	server  *harness.Server   // nil if it has none
	saved   map[string]string // what steps have kept of what was printed, by name
}

// result is what came of a command line.
type result struct {
	stdout, stderr string
	code           int
}

// tools are etcdctl and ours, under the same name, without servers.
func tools(t *testing.T) (theirs, ours *tool) {
	t.Helper()
	etcdctl, err := harness.Peer("etcdctl")
	require.NoError(t, err)
	quoratectl, err := harness.Make("build", "bin/quoratectl")
	require.NoError(t, err)
	link := filepath.Join(t.TempDir(), "etcdctl")
	require.NoError(t, os.Symlink(quoratectl, link))
	return &tool{program: etcdctl}, &tool{program: link}
}

// step is a command line, and how it is used.
type step struct {
	args  []string
	stdin string
	env   []string
	// until keeps the standard input open until this is printed; the process is interrupted then.
	until string
	// save keeps what the expression's only group finds in the output, for $name in later arguments.
	save string
	find string
	// unlike says that the outputs are not compared, but for the exit code.
	unlike bool
}

// run carries out a step. It fails the test if it takes half a minute.
func (c *tool) run(t *testing.T, s step) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	args := make([]string, len(s.args))
	for i, arg := range s.args {
		args[i] = os.Expand(arg, func(name string) string { return c.saved[name] })
	}
	cmd := exec.CommandContext(ctx, c.program, args...)
	cmd.Env = append(os.Environ(), s.env...)
	if c.server != nil {
		cmd.Env = append(cmd.Env, "ETCDCTL_ENDPOINTS="+c.server.Endpoint())
	}
	var stderr bytes.Buffer
	stdout := &awaited{text: s.until, there: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = stdout, &stderr
	if s.until == "" {
		cmd.Stdin = strings.NewReader(s.stdin)
		_ = cmd.Run() // its exit code says what there is to say
	} else {
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = in.Write([]byte(s.stdin))
		require.NoError(t, err)
		select {
		case <-stdout.there:
		case <-ctx.Done():
		}
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		_ = cmd.Wait()
	}
	require.NoError(t, ctx.Err(), "%v printed %q and %q", s.args, stdout.got.String(), stderr.String())
	if s.save != "" {
		found := regexp.MustCompile(s.find).FindStringSubmatch(stdout.got.String())
		require.Len(t, found, 2, "%v printed %q and %q", s.args, stdout.got.String(), stderr.String())
		if c.saved == nil {
			c.saved = map[string]string{}
		}
		c.saved[s.save] = found[1]
	}
	return result{stdout.got.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// awaited is an output in which a text is waited for. The process's copier alone writes to it, and ends before it is read.
type awaited struct {
	got   bytes.Buffer
	text  string
	there chan struct{}
	seen  bool
}

func (a *awaited) Write(p []byte) (int, error) {
	n, err := a.got.Write(p)
	if !a.seen && a.text != "" && strings.Contains(a.got.String(), a.text) {
		a.seen = true
		close(a.there)
	}
	return n, err
}

// masks take out of an output what differs between two servers, and between two runs.
var masks = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ENDPOINT"},
	{regexp.MustCompile(`\b[0-9a-f]{13,16}\b`), "ID"},
	{regexp.MustCompile(`\b\d{15,20}\b`), "ID"},
	{regexp.MustCompile(`\d+(\.\d+)?(µs|ms|s)\b`), "TIME"},
	{regexp.MustCompile(`\d+(\.\d+)? [kM]?B\b`), "SIZE"},
	{regexp.MustCompile(`\b\d+%`), "PERCENT"},
	{regexp.MustCompile(`(?i)("?db_?size(inuse)?"? ?: ?)\d+`), "${1}SIZE"},
	{regexp.MustCompile(`(?i)("?raft_?(applied)?_?index"? ?: ?)\d+`), "${1}INDEX"},
	{regexp.MustCompile(`(true|false), \d+, \d+, \d+,`), "$1, TERM, INDEX, INDEX,"},
	// A table is as wide as what is in it.
	{regexp.MustCompile(`[─ ]{2,}`), " "},
	{regexp.MustCompile(` *│ *`), "│"},
}

func masked(text string) string {
	for _, mask := range masks {
		text = mask.what.ReplaceAllString(text, mask.with)
	}
	return text
}

// errorLine is the line for scripts: the one that says why a command failed.
var errorLine = regexp.MustCompile(`(?m)^Error: .*$`)
