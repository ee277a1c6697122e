package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// ServerEnv is the environment variable that names the server to test. EndpointEnv instead names the host and port of one that runs already; tests that
// need a server for themselves are then left out.
const (
	ServerEnv   = "QUORATE_TEST_SERVER"
	EndpointEnv = "QUORATE_TEST_ENDPOINT"
)

// Root is the repository's root folder.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Binary is the path of the server to test, built first unless ServerEnv names it.
var Binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(ServerEnv); path != "" {
		if !filepath.IsAbs(path) {
			path = filepath.Join(Root(), path)
		}
		_, err := os.Stat(path)
		return path, err
	}
	return Make("build", "bin/quorate")
})

// IsPeer reports whether the server to test is another than Quorate, which may differ where the documentation says so.
func IsPeer() bool {
	path := os.Getenv(ServerEnv)
	return path != "" && !strings.Contains(filepath.Base(path), "quorate")
}

// Peer is the path of one of etcd's own programs (etcd, etcdctl, etcdutl, benchmark), built first if need be.
func Peer(name string) (string, error) {
	path := filepath.Join("bin", "peers", name)
	return Make(path, path)
}

// Make makes a target and returns the absolute path of what it built. Test packages run side by side, so that only one
// process at a time may build.
func Make(target, path string) (string, error) {
	root := Root()
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(root, "bin", ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	cmd := exec.Command("make", target)
	cmd.Dir = root
	// The flags and the job server of a make that runs the tests are not this one's.
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "MAKE") && !strings.HasPrefix(variable, "MFLAGS=") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make %s: %w\n%s", target, err, out)
	}
	return filepath.Join(root, path), nil
}

// Limited is a program that runs another with a limit on its open files.
func Limited(t testing.TB, binary string, files int) string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "limited")
	require.NoError(t, os.WriteFile(script, []byte(fmt.Sprintf("#!/bin/sh\nulimit -n %d\nexec %s \"$@\"\n", files, binary)), 0o700))
	return script
}
