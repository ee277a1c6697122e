package v2ctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// toolEnv names another program to test than bin/quoratectl: etcdctl 3.5 shows that what is expected is etcd's.
const toolEnv = "QUORATE_TEST_V2CTL"

// varies is what differs from run to run or from store to store, and what stands for it.
var varies = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`\[\d+\]`), "[N]"},
	{regexp.MustCompile(`!= \d+\]`), "!= N]"},
	{regexp.MustCompile(`(Index"?:) ?\d+`), "$1 N"},
	{regexp.MustCompile(`\d{20}`), "(name in order)"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`), "(moment)"},
	{regexp.MustCompile(`(TTL:|"ttl":) ?[1-9]\d*`), "$1 S"},
	{regexp.MustCompile(`http://127\.0\.0\.1:\d{4,}`), "URL"},
	{regexp.MustCompile(`with ID [0-9a-f]+`), "with ID"},
	{regexp.MustCompile(`member [0-9a-f]{9,16}|(?m)^[0-9a-f]{9,16}`), "ID"},
}

func tool(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(toolEnv); path != "" {
		return path
	}
	path, err := harness.Make("build", filepath.Join("bin", "quoratectl"))
	require.NoError(t, err)
	return path
}

// shell prepares a line of a shell in which ctl is the tool, used on the server.
func shell(ctx context.Context, path string, server *harness.Server, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-c", `ctl() { "$TOOL" "$@"; }; `+line)
	cmd.Env = append(os.Environ(), "TOOL="+path, "ETCDCTL_ENDPOINTS="+server.URL())
	return cmd
}

// Goal: each word, with each of its flags and in each format, prints what etcdctl 3.5 prints with ETCDCTL_API=2, and ends with its
// exit code. Method: the scripts in testdata have command lines, and below them what is printed, with "exit" and the code if
// it is not 0. In those of the directory api2, ETCDCTL_API=2 is set: etcdctl's own program can take our place there, by QUORATE_TEST_V2CTL.
func TestWords(t *testing.T) {
	t.Parallel()
	path := tool(t)
	datadriven.Walk(t, "testdata", func(t *testing.T, script string) {
		t.Parallel()
		api2 := strings.Contains(script, "api2")
		if !api2 && !strings.Contains(filepath.Base(path), "quoratectl") {
			t.Skip("quoratectl's own")
		}
		server := harness.Run(t, "--bcrypt-cost=4") // a command has five seconds for all its requests, each with a password
		datadriven.RunTest(t, script, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			for line := range strings.Lines(d.Input) {
				ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
				cmd := shell(ctx, path, server, line)
				if api2 {
					cmd.Env = append(cmd.Env, "ETCDCTL_API=2")
				}
				printed, err := cmd.CombinedOutput()
				cancel()
				out.Write(printed)
				var ended *exec.ExitError
				if errors.As(err, &ended) {
					fmt.Fprintf(&out, "exit %d\n", ended.ExitCode())
				} else {
					require.NoError(t, err, line)
				}
			}
			text := out.String()
			for _, v := range varies {
				text = v.pattern.ReplaceAllString(text, v.instead)
			}
			return text
		})
	})
}

// Goal: no word of the v2 form, and none below it, is without a script. Method: the words that the program's help lists, looked for at the place of the word in
// the command lines of testdata.
func TestEveryWordHasAScript(t *testing.T) {
	t.Parallel()
	path := tool(t)
	var scripts strings.Builder
	require.NoError(t, filepath.WalkDir("testdata", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		scripts.Write(text)
		return err
	}))
	listed := regexp.MustCompile(`(?m)^  ([a-z-]+) +\S`)
	var words func(before ...string) []string
	words = func(before ...string) (all []string) {
		cmd := exec.CommandContext(harness.Context(t), path, append(before, "--help")...)
		cmd.Env = append(os.Environ(), "ETCDCTL_API=2")
		help, err := cmd.Output()
		require.NoError(t, err, before)
		_, commands, found := strings.Cut(string(help), "Available Commands:\n")
		if !found {
			return []string{strings.Join(before, " ")}
		}
		commands, _, _ = strings.Cut(commands, "\n\n")
		for _, word := range listed.FindAllStringSubmatch(commands, -1) {
			if word[1] != "help" {
				all = append(all, words(append(slices.Clone(before), word[1])...)...)
			}
		}
		return all
	}
	all := words()
	require.Greater(t, len(all), 25)
	for _, word := range all {
		require.Regexp(t, `(?m)\bctl( -\S+( [^- ]\S*)?)* `+word+`\b`, scripts.String(), "%q has no script", word)
	}
}

// Goal: words that go on until they are interrupted print each change, and end with 0 then. Method: write, read a line for each change,
// and send SIGINT.
func TestUntilInterrupted(t *testing.T) {
	t.Parallel()
	path, server := tool(t), harness.Run(t)
	for _, c := range []struct {
		line string
		want []string
	}{
		{"watch /d --recursive --forever --after-index 1", []string{"[set] /d/a", "1", "[set] /d/a", "2", "[delete] /d/a", "PrevNode.Value: 2"}},
		{
			`exec-watch /d --recursive --after-index 1 -- sh -c 'echo $ETCD_WATCH_ACTION $ETCD_WATCH_KEY $ETCD_WATCH_VALUE $((ETCD_WATCH_MODIFIED_INDEX > 0))'`,
			[]string{"set /d/a 1 1", "set /d/a 2 1", "delete /d/a 1"},
		},
	} {
		for _, line := range []string{"set /d/a 1", "set /d/a 2", "rm /d/a"} {
			out, err := shell(harness.Context(t), path, server, "ctl "+line).CombinedOutput()
			require.NoError(t, err, "%s", out)
		}
		cmd := shell(harness.Context(t), path, server, `exec "$TOOL" `+c.line)
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(stdout)
		for _, want := range c.want {
			require.True(t, lines.Scan(), c.line)
			require.Equal(t, want, lines.Text(), c.line)
		}
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		_, err = io.Copy(io.Discard, stdout)
		require.NoError(t, err)
		require.NoError(t, cmd.Wait(), c.line)
	}
}

// Goal: the lines of the README work as they stand there. Method: run them in their order; the last one waits, so keys are
// written until it has printed one.
func TestReadme(t *testing.T) {
	t.Parallel()
	path, server := tool(t), harness.Run(t)
	readme, err := os.Open(filepath.Join(harness.Root(), "README.md"))
	require.NoError(t, err)
	defer readme.Close()
	want := map[string]string{"set /myKey": "my content\n", "set /myDir/hello": "world\n", "ls /myDir": "/myDir/hello\n", "mkdir /myDir2": "", "watch /myDir2": "[set] /myDir2/new\nx\n"}
	ran := 0
	for lines := bufio.NewScanner(readme); lines.Scan(); {
		line, _, _ := strings.Cut(strings.TrimSpace(lines.Text()), "#")
		command, ours := strings.CutPrefix(line, "bin/quoratectl ")
		words := strings.Fields(command)
		if !ours || len(words) < 2 {
			continue
		}
		expected, known := want[words[0]+" "+words[1]]
		if !known {
			continue
		}
		ctx, stop := context.WithCancel(harness.Context(t))
		if words[0] == "watch" {
			go writeUntil(ctx, server)
		}
		out, err := shell(ctx, path, server, "ctl "+command).CombinedOutput()
		stop()
		require.NoError(t, err, "%s: %s", line, out)
		require.Equal(t, expected, string(out), line)
		ran++
	}
	require.Equal(t, len(want), ran, "the README shows other lines now")
}

// writeUntil writes a key again and again, until the context ends.
func writeUntil(ctx context.Context, server *harness.Server) {
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	for {
		body := strings.NewReader(url.Values{"value": {"x"}}.Encode())
		request, err := http.NewRequestWithContext(ctx, http.MethodPut, server.URL()+"/v2/keys/myDir2/new", body)
		if err != nil {
			return
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if answer, err := http.DefaultClient.Do(request); err == nil {
			answer.Body.Close()
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}
