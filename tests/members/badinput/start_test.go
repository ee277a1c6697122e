package badinput

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/harness"
)

// refuses starts a server that must end by itself, and returns its exit code and what it printed.
func refuses(t *testing.T, s *harness.Server) (int, string) {
	t.Helper()
	require.NoError(t, s.Launch())
	code, err := s.Wait(20 * time.Second)
	require.NoError(t, err, "%s", s.Output())
	require.NotZero(t, code)
	require.NotContains(t, s.Output(), "goroutine ", "a panic is no message")
	return code, s.Output()
}

func newServer(t *testing.T, dir string, args ...string) *harness.Server {
	t.Helper()
	binary, err := harness.Binary()
	require.NoError(t, err)
	if harness.IsPeer() {
		t.Skip("how a server words its refusals is its own")
	}
	return harness.New(harness.Config{Binary: binary, DataDir: dir, Args: args})
}

// Goal: settings that cannot be are refused before anything is opened, by name and value, and files that they name by their lines. Method: one
// wrong flag at a time, or one and what it needs; no data directory appears.
func TestSettings(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "none.yaml")
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	require.NoError(t, os.WriteFile(broken, []byte("name: ["), 0o600))
	unknown := filepath.Join(t.TempDir(), "unknown.yaml")
	require.NoError(t, os.WriteFile(unknown, []byte("name: one\nnonsense: 1\n"), 0o600))
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(policy, []byte("rules:\n- method: Put\n  level: none\n- method: Puts\n  level: none\n"), 0o600))
	logged := "--audit-log=" + filepath.Join(t.TempDir(), "audit.log") + " --audit-"
	for name, c := range map[string]struct {
		arg  string
		code int
		text []string
	}{
		"unknown flag":       {"--nonsense", 2, []string{"-nonsense", "quorate --help"}},
		"not a number":       {"--snapshot-count=few", 2, []string{`"few"`, "-snapshot-count"}},
		"not a flag":         {"nonsense", 1, []string{`"nonsense"`}},
		"cluster state":      {"--initial-cluster-state=odd", 2, []string{`"odd"`, "-initial-cluster-state", "existing"}},
		"client URL":         {"--listen-client-urls=nonsense", 1, []string{"--listen-client-urls=nonsense"}},
		"election timeout":   {"--election-timeout=50", 1, []string{"--election-timeout=50", "--heartbeat-interval"}},
		"compaction mode":    {"--auto-compaction-mode=odd", 1, []string{"--auto-compaction-mode=odd", "periodic", "revision"}},
		"compaction history": {"--auto-compaction-retention=odd", 1, []string{"--auto-compaction-retention=odd"}},
		"cluster without us": {"--initial-cluster=two=http://127.0.0.1:1", 1, []string{"--initial-cluster=two=", "--name=one"}},
		"log level":          {"--log-level=odd", 1, []string{"--log-level", "odd"}},
		"rates without mode": {"--rate-limit=reads=5", 1, []string{"--rate-limit=reads=5", "no effect without --rate-limit-mode"}},
		"rates without any":  {"--rate-limit-mode=enforcing", 1, []string{"--rate-limit-mode=enforcing", "no effect without --rate-limit"}},
		"rates' mode":        {"--rate-limit-mode=strict", 1, []string{"--rate-limit-mode=strict", "permissive"}},
		"rates' class":       {"--rate-limit=reeds=5", 1, []string{"--rate-limit=reeds=5", `"reeds"`, "reads, writes, watches, lists"}},
		"token option":       {"--auth-token=jwt,sign-method=RS256,key=x", 1, []string{"--auth-token=jwt,", "option key is none of jwt's"}},
		"token kind":         {"--auth-token=bearer", 1, []string{"--auth-token=bearer", "do not exist"}},
		"no such key":        {"--auth-token=jwt,sign-method=RS256,priv-key=" + missing, 1, []string{"--auth-token", "priv-key: open " + missing}},
		"not a key":          {"--auth-token=jwt,sign-method=RS256,pub-key=" + broken, 1, []string{"--auth-token", "pub-key=" + broken, "not PEM"}},
		"audit policy":       {logged + "policy=" + policy, 1, []string{"--audit-policy=" + policy, "line 4", "no method is called", "Puts"}},
		"audit key":          {logged + "hmac-key-file=" + broken, 1, []string{"--audit-hmac-key-file=" + broken, "it needs 16"}},
		"audit mode":         {logged + "mode=odd", 1, []string{"--audit-mode=odd", "blocking", "drop"}},
		"issuer":             {"--auth-oidc-issuer=http://login.example --auth-oidc-audience=q", 1, []string{"--auth-oidc-issuer=http://login.example", "https"}},
		"no such file":       {"--config-file=" + missing, 1, []string{"--config-file", missing, "no such file"}},
		"file is not YAML":   {"--config-file=" + broken, 1, []string{"--config-file", broken, "line 1"}},
		"unknown key":        {"--config-file=" + unknown, 1, []string{"--config-file", unknown, `"nonsense"`}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			code, output := refuses(t, newServer(t, dir, strings.Fields(c.arg)...))
			require.Equal(t, c.code, code, output)
			for _, text := range c.text {
				require.Contains(t, output, text)
			}
			require.NoDirExists(t, dir)
		})
	}
}

// Goal: a data directory that cannot be one is refused by name. Method: a file in its place, a file above it, a place where none can be made.
// (Permissions are no test where tests run as root.)
func TestDataDirectoryThatCannotBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("not a directory"), 0o600))
	for _, dir := range []string{file, filepath.Join(file, "below"), "/proc/none"} {
		code, output := refuses(t, newServer(t, dir))
		require.Equal(t, 1, code, output)
		require.Contains(t, output, "--data-dir="+dir)
	}
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "not a directory", string(content))
}

// Goal: where a restore was cut off, no member serves an empty store in place of what was to be restored. Method: the directory as a kill leaves it, then
// with what it says that is to be done.
func TestRestoreThatWasCutOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	part := filepath.Join(dir, "restoring")
	require.NoError(t, os.MkdirAll(filepath.Join(part, "member", "state"), 0o700))
	server := newServer(t, dir)
	code, output := refuses(t, server)
	require.Equal(t, 1, code)
	require.Contains(t, output, "was cut off: if none is, remove "+part+" and restore again")
	require.NoDirExists(t, filepath.Join(dir, "member"))
	require.NoError(t, os.RemoveAll(part))
	require.NoError(t, server.Start(harness.Context(t)))
}

// Goal: a data directory serves one member at a time. Method: start a second on that of a first, which goes on.
func TestDataDirectoryInUse(t *testing.T) {
	t.Parallel()
	first := harness.Run(t)
	code, output := refuses(t, newServer(t, first.DataDir()))
	require.Equal(t, 1, code)
	require.Contains(t, output, "in use")
	require.Contains(t, output, first.DataDir())
	_, err := harness.Client(t, first).Put(harness.Context(t), "a", "v")
	require.NoError(t, err)
}

// Goal: a port that is taken is refused by its flag, before the data directory is touched. Method: start a second server on the port of a first.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first := harness.Run(t)
	for _, flag := range []string{"--listen-client-urls=", "--listen-metrics-urls="} {
		code, output := refuses(t, newServer(t, dir, flag+first.URL()))
		require.Equal(t, 1, code)
		require.Contains(t, output, flag+first.URL())
		require.Contains(t, output, "address already in use")
	}
	_, err := harness.Client(t, first).Put(harness.Context(t), "a", "v")
	require.NoError(t, err)
}

// Goal: a changed --initial-cluster-token does not keep a member from its data (the start was refused): as with etcd it
// counts at the first start. Method: start with another token; it says so, and the data is there.
func TestChangedTokenIsIgnored(t *testing.T) {
	t.Parallel()
	s := newServer(t, filepath.Join(t.TempDir(), "data"))
	require.NoError(t, s.Start(harness.Context(t)))
	_, err := harness.Client(t, s).Put(harness.Context(t), "a", "v")
	require.NoError(t, err)
	code, err := s.Stop(syscall.SIGTERM)
	require.NoError(t, err)
	require.Zero(t, code, s.Output())

	s.SetArgs("--initial-cluster-token=another")
	require.NoError(t, s.Start(harness.Context(t)))
	defer s.Kill()
	require.Contains(t, s.Output(), "token is ignored")
	require.Contains(t, s.Output(), s.DataDir())
	resp, err := harness.Client(t, s).Get(harness.Context(t), "a")
	require.NoError(t, err)
	require.Len(t, resp.Kvs, 1)
}

// Goal: both signals stop a server in order, and lose nothing. Method: write, stop, start, read.
func TestSignals(t *testing.T) {
	t.Parallel()
	s := newServer(t, filepath.Join(t.TempDir(), "data"))
	for i, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		require.NoError(t, s.Start(harness.Context(t)))
		client := harness.Client(t, s)
		_, err := client.Put(harness.Context(t), signal.String(), "v")
		require.NoError(t, err)
		// An open watch does not hold the server up.
		created := <-client.Watch(harness.Context(t), "a", clientv3.WithCreatedNotify())
		require.True(t, created.Created)
		code, err := s.Stop(signal)
		require.NoError(t, err)
		require.Zero(t, code, s.Output())
		require.NotContains(t, s.Output(), `"level":"error"`)
		require.NoError(t, s.Start(harness.Context(t)))
		resp, err := client.Get(harness.Context(t), "", clientv3.WithPrefix(), clientv3.WithCountOnly())
		require.NoError(t, err)
		require.EqualValues(t, i+1, resp.Count)
		_, err = s.Stop(signal)
		require.NoError(t, err)
	}
}
