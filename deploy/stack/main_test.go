package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: the commands do what they say, and refuse what they cannot read with exit code 2 and the reason.
// Method: one command line each, with its exit code and a part of what it prints.
func TestCommandLines(t *testing.T) {
	dir := t.TempDir()
	certificate := "--certificate=" + filepath.Join(dir, "one") + "=one.test,localhost"
	authority := "--authority-dir=" + filepath.Join(dir, "authority")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	tests := []struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{args: nil, code: exitUsage, stderr: "Usage:"},
		{args: []string{"nothing"}, code: exitUsage, stderr: "Usage:"},
		{args: []string{"--version"}, stdout: "quorate-stack Version: unknown\n"},
		{args: []string{"--help"}, stdout: "Usage:"},
		{args: []string{"certificates", "--help"}, stdout: "Usage:"},
		{args: []string{"certificates", authority}, code: exitUsage, stderr: "--certificate is missing"},
		{args: []string{"certificates", authority, "--certificate=one"}, code: exitUsage, stderr: "it is DIR=NAME,NAME"},
		{args: []string{"certificates", authority, certificate}, stdout: "made " + dir + "/one for one.test, localhost\n"},
		{args: []string{"certificates", authority, certificate}, stdout: "kept " + dir + "/one for one.test, localhost\n"},
		{args: []string{"certificates", authority, certificate, "more"}, code: exitUsage, stderr: `"more" is neither a flag nor a value of one`},
		{args: []string{"health", "--url=" + server.URL + "/readyz"}},
		{args: []string{"health", "--url=" + server.URL + "/else"}, code: exitError, stderr: "503"},
		{args: []string{"health", "--url=http://127.0.0.1:1/readyz"}, code: exitError, stderr: "refused"},
		{args: []string{"front", "--nodes=localhost", "--ports=http"}, code: exitUsage, stderr: `"http" is no port`},
		{args: []string{"front", "--nodes=localhost"}, code: exitUsage, stderr: "--ports is missing"},
		{args: []string{"front", "--nodes=localhost", "--ports=0", "--log-level=loud"}, code: exitUsage, stderr: `--log-level="loud"`},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			var stdout, stderr strings.Builder
			require.Equal(t, test.code, run(test.args, &stdout, &stderr), stderr.String())
			require.Contains(t, stdout.String(), test.stdout)
			require.Contains(t, stderr.String(), test.stderr)
		})
	}
}
