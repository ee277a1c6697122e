package utl

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
)

// called runs the tool and returns its exit code and what it printed.
func called(name string, args ...string) (code int, stdout, stderr string) {
	var out, failed bytes.Buffer
	code = Run(&Tool{Name: name, Version: "v1", Stdout: &out, Stderr: &failed}, args)
	return code, out.String(), failed.String()
}

// Goal: what is asked for wrongly, or of a file that is no snapshot, ends with etcdutl's exit codes, says what is wrong, and makes nothing.
// Method: calls with one thing wrong each.
func TestWrongCalls(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("text", bytes.Repeat([]byte("no snapshot "), 100), 0o600))
	for name, c := range map[string]struct {
		args []string
		code int
		text string
	}{
		"no file":               {[]string{"snapshot", "restore"}, exit.Arguments, "requires exactly one argument"},
		"nothing to export":     {[]string{"export-to-etcd", "text"}, exit.Arguments, "requires exactly one argument, and --data-dir"},
		"no data to export":     {[]string{"export-to-etcd", "none", "--data-dir", "to"}, exit.Failure, "holds no data of a member"},
		"nothing to save":       {[]string{"snapshot", "save", "to"}, exit.Arguments, "requires exactly one argument, and --data-dir"},
		"no data to save":       {[]string{"snapshot", "save", "to", "--data-dir", "none"}, exit.Failure, "holds no data of a member"},
		"nothing to dump":       {[]string{"dump-log"}, exit.Arguments, "requires exactly one argument"},
		"no data to dump":       {[]string{"dump-log", "none"}, exit.Failure, "holds no data of a member"},
		"dump as a table":       {[]string{"dump-log", "none", "-w", "table"}, exit.Arguments, "prints simple or json"},
		"dump backwards":        {[]string{"dump-log", "none", "--start-index=9", "--end-index=8"}, exit.Arguments, "is before --start-index"},
		"no data to verify":     {[]string{"verify", "--data-dir", "none"}, exit.Failure, "holds no data of a member"},
		"no file to look at":    {[]string{"snapshot", "status"}, exit.Arguments, "requires exactly one argument"},
		"no file to hash":       {[]string{"hashkv"}, exit.Failure, "accepts 1 arg"},
		"bump alone":            {[]string{"snapshot", "restore", "text", "--bump-revision=5"}, exit.Arguments, "--mark-compacted required"},
		"mark alone":            {[]string{"snapshot", "restore", "text", "--mark-compacted"}, exit.Arguments, "--mark-compacted required"},
		"no such file":          {[]string{"snapshot", "restore", "none"}, exit.Failure, "no such file"},
		"no snapshot":           {[]string{"snapshot", "restore", "text"}, exit.Failure, "is no snapshot"},
		"no status":             {[]string{"snapshot", "status", "text"}, exit.Failure, "is no snapshot"},
		"no hash":               {[]string{"hashkv", "text"}, exit.Failure, "is no snapshot"},
		"a list of nonsense":    {[]string{"snapshot", "restore", "text", "--initial-cluster=a"}, exit.Failure, "is not of the form"},
		"a name that is absent": {[]string{"snapshot", "restore", "text", "--name=m1"}, exit.Failure, "does not hold --name=m1"},
		"other URLs":            {[]string{"snapshot", "restore", "text", "--initial-advertise-peer-urls=http://a:1"}, exit.Failure, "but --initial-advertise-peer-urls"},
		"no URL":                {[]string{"snapshot", "restore", "text", "--initial-advertise-peer-urls=a"}, exit.Failure, "must begin with http"},
		"no such flag":          {[]string{"snapshot", "restore", "text", "--bump"}, exit.Failure, "unknown flag"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := called(utlName, c.args...)
			require.Equal(t, c.code, code)
			require.Contains(t, stderr, c.text)
			require.Contains(t, stderr, "Error:")
			entries, err := os.ReadDir(".")
			require.NoError(t, err)
			require.Len(t, entries, 1)
		})
	}
}

// Goal: scripts that look for etcdutl's name find it where the program has that name. Method: both names.
func TestNames(t *testing.T) {
	require.Equal(t, etcdutlName, ProgramName(filepath.Join("bin", "etcdutl")))
	require.Equal(t, utlName, ProgramName("whatever"))
	_, stdout, _ := called(utlName, "version")
	require.Regexp(t, `^quorateutl version: v1\nAPI version: \d`, stdout)
	_, stdout, _ = called(etcdutlName, "version")
	require.Regexp(t, `^etcdutl version: \d.*\nAPI version: \d.*\nquorateutl version: v1\n$`, stdout)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		code, stdout, _ := called(utlName, "completion", shell)
		require.Zero(t, code)
		require.Contains(t, stdout, utlName)
	}
}
