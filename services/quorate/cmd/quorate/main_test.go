package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/quorate"
)

// Goal: what starts no store exits with the documented code and says why. Method: one command line for each code.
func TestExitCodes(t *testing.T) {
	tests := map[string]struct {
		args   []string
		code   int
		stdout string
		stderr []string
	}{
		"help":            {args: []string{"--help"}, code: 0, stdout: "--data-dir"},
		"version":         {args: []string{"-version"}, code: 0, stdout: "etcd Version: 3."},
		"unknown flag":    {args: []string{"--nosuch"}, code: 2, stderr: []string{"-nosuch", "--help-all lists all flags"}},
		"unknown command": {args: []string{"nosuch"}, code: 1, stderr: []string{`"nosuch"`}},
		"every problem":   {args: []string{"--name=", "--max-txn-ops=0"}, code: 1, stderr: []string{"quorate: --name=:", "quorate: --max-txn-ops=0:"}},
		"cannot start":    {args: []string{"--data-dir=/dev/null", "--log-outputs=" + filepath.Join(t.TempDir(), "log")}, code: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.Equal(t, test.code, run(test.args, nil, &stdout, &stderr))
			require.Contains(t, stdout.String(), test.stdout)
			for _, want := range test.stderr {
				require.Contains(t, stderr.String(), want)
			}
		})
	}
}

// Goal: a health check of an image that holds nothing else tells well from unwell. Method: servers that say either, and none.
func TestHealth(t *testing.T) {
	for status, want := range map[int]int{http.StatusOK: exitOK, http.StatusServiceUnavailable: exitError} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		var stdout, stderr bytes.Buffer
		require.Equal(t, want, run([]string{"health", "--url=" + server.URL + "/readyz"}, nil, &stdout, &stderr), stderr.String())
		server.Close()
		require.Equal(t, exitError, run([]string{"health", "--url=" + server.URL}, nil, &stdout, &stderr))
	}
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitUsage, run([]string{"health", "nonsense"}, nil, &stdout, &stderr))
}

// Goal: systemd hears of it when it listens, and nobody is missed when it does not. Method: a socket in its place.
func TestNotify(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	require.NoError(t, notify("READY=1"))

	name := filepath.Join(t.TempDir(), "notify")
	t.Setenv("NOTIFY_SOCKET", name)
	require.ErrorContains(t, notify("READY=1"), "NOTIFY_SOCKET")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	require.NoError(t, err)
	defer socket.Close()
	require.NoError(t, notify("READY=1"))
	heard := make([]byte, 16)
	n, err := socket.Read(heard)
	require.NoError(t, err)
	require.Equal(t, "READY=1", string(heard[:n]))
}

// Goal: who starts a store by hand reads where it serves, where its data is, and a command that works next. Method: the banner of a store
// that is not started, and the command with and without the tools.
func TestBanner(t *testing.T) {
	config := quorate.DefaultConfig()
	config.DataDir, config.Version = "data", "v1.2.3"
	var shown bytes.Buffer
	greet(&shown, config, []string{"http://localhost:2379", "http://localhost:4001"})
	here, err := filepath.Abs("data")
	require.NoError(t, err)
	for _, want := range []string{"Quorate v1.2.3,", "http://localhost:2379, http://localhost:4001", "http://localhost:2380", here, "try "} {
		require.Contains(t, shown.String(), want)
	}
	require.False(t, onTerminal(&shown))

	only := func(have string) func(string) (string, error) {
		return func(tool string) (string, error) {
			if tool == have {
				return tool, nil
			}
			return "", exec.ErrNotFound
		}
	}
	require.Equal(t, "etcdctl put greeting hello", nextCommand(only("etcdctl"), "http://localhost:2379", true))
	require.Equal(t, "quoratectl --endpoints http://h:1 put greeting hello", nextCommand(only("quoratectl"), "http://h:1", true))
	require.Equal(t, "curl http://h:1/v2/keys/greeting -X PUT -d value=hello", nextCommand(only(""), "http://h:1", true))
	require.Contains(t, nextCommand(only(""), "http://h:1", false), "curl http://h:1/v3/kv/put")
}
