package ctl

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// barKeys are so many that each command has something to show.
const barKeys = 12_000

// onTerminal runs a program whose standard error is a terminal and returns what is on it. Where done is given, the program is interrupted when it says so of
// what there is by then.
func onTerminal(t *testing.T, done func(seen string) bool, program string, args ...string) string {
	t.Helper()
	screen, tty, err := pty.Open()
	require.NoError(t, err)
	defer screen.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var stdout bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, tty
	require.NoError(t, cmd.Start())
	require.NoError(t, tty.Close())
	var seen bytes.Buffer
	buf := make([]byte, 4096)
	interrupted := false
	for {
		n, err := screen.Read(buf)
		seen.Write(buf[:n])
		if done != nil && !interrupted && done(seen.String()) {
			interrupted = true
			require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		}
		if err != nil { // EIO once the program has closed the terminal
			break
		}
	}
	err = cmd.Wait()
	require.True(t, err == nil || interrupted, "%v: %v\n%s\n%s", args, err, seen.String(), stdout.String())
	return seen.String()
}

// manyKeys fills a store.
func manyKeys(t *testing.T, s *harness.Server) {
	t.Helper()
	client := harness.Client(t, s)
	for n := 0; n < barKeys; {
		var puts []clientv3.Op
		for range 100 {
			puts = append(puts, clientv3.OpPut(fmt.Sprintf("many/%06d", n), "value"))
			n++
		}
		_, err := client.Txn(harness.Context(t)).Then(puts...).Commit()
		require.NoError(t, err)
	}
}

// Goal: everything long shows on a terminal how far it is, and nothing of that elsewhere. Method: each command twice, with a terminal as its standard error and
// with a pipe, on more keys than pass between two looks.
func TestProgressIsShownOnTerminalsAlone(t *testing.T) {
	if harness.IsPeer() {
		t.Skip("etcd's tools show no progress")
	}
	t.Parallel()
	quoratectl, err := harness.Make("build", "bin/quoratectl")
	require.NoError(t, err)
	quorateutl := filepath.Join(filepath.Dir(quoratectl), "quorateutl")
	server, mirror := harness.Run(t), harness.Run(t)
	manyKeys(t, server)
	dir := t.TempDir()
	saved := filepath.Join(dir, "saved.db")
	at := "--endpoints=" + server.Endpoint()
	runs := 0
	both := func(program string, args ...string) {
		t.Helper()
		// "NEW" stands for what the command makes, another one each time.
		filled := func() []string {
			runs++
			var all []string
			for _, arg := range args {
				all = append(all, strings.ReplaceAll(arg, "NEW", filepath.Join(dir, fmt.Sprint("made-", runs))))
			}
			return all
		}
		require.Contains(t, onTerminal(t, nil, program, filled()...), "%", "%v", args)
		said, err := exec.CommandContext(t.Context(), program, filled()...).CombinedOutput()
		require.NoError(t, err, "%s", said)
		require.NotContains(t, string(said), "%", "%v", args)
		require.NotContains(t, string(said), "\r", "%v", args)
	}
	both(quoratectl, at, "snapshot", "save", "NEW.db")
	said, err := exec.CommandContext(t.Context(), quoratectl, at, "snapshot", "save", saved).CombinedOutput()
	require.NoError(t, err, "%s", said)
	lines := filepath.Join(dir, "lines")
	both(quoratectl, at, "export", "NEW.lines")
	said, err = exec.CommandContext(t.Context(), quoratectl, at, "export", lines).CombinedOutput()
	require.NoError(t, err, "%s", said)
	both(quoratectl, at, "import", lines)
	both(quoratectl, at, "bench", "put", "--total=200", "--clients=2")
	// A part of the keys: each is put on its own.
	require.Contains(t, onTerminal(t, func(seen string) bool { return strings.Contains(seen, "100.00%") }, quoratectl, at, "make-mirror", "--prefix=many/000", mirror.Endpoint()), "%")

	both(quorateutl, "snapshot", "status", saved)
	both(quorateutl, "hashkv", saved)
	both(quorateutl, "snapshot", "restore", saved, "--data-dir=NEW")
	_, err = server.Stop(syscall.SIGTERM)
	require.NoError(t, err)
	both(quorateutl, "verify", "--data-dir="+server.DataDir())
	both(quorateutl, "snapshot", "save", "NEW.offline", "--data-dir="+server.DataDir())
	etcd := filepath.Join(dir, "etcd")
	both(quorateutl, "export-to-etcd", server.DataDir(), "--data-dir=NEW")
	said, err = exec.CommandContext(t.Context(), quorateutl, "export-to-etcd", server.DataDir(), "--data-dir="+etcd).CombinedOutput()
	require.NoError(t, err, "%s", said)
	both(quorateutl, "migrate-from-etcd", etcd, "--data-dir=NEW")
}
