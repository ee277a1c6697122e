package kubernetes

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// programsEnv names the directory with kube-apiserver and kubectl, and resourcesEnv the files, and directories of such, with the types of objects
	// that the manifests have and Kubernetes has not.
	programsEnv  = "QUORATE_TEST_KUBERNETES"
	resourcesEnv = "QUORATE_TEST_KUBERNETES_RESOURCES"
	// readyWithin bounds the start of an API server on a busy machine, and stopWithin its stop.
	readyWithin = 3 * time.Minute
	stopWithin  = 30 * time.Second
	// answeredWithin bounds a command of kubectl's.
	answeredWithin = time.Minute
)

// cluster is an API server on a store.
type cluster struct {
	store    *harness.Server
	programs string
	config   string // kubectl's file
}

// start starts both for the length of a test. Types of objects that the manifests need are there.
func start(t *testing.T) *cluster {
	t.Helper()
	programs := os.Getenv(programsEnv)
	if programs == "" {
		t.Skipf("%s does not say where Kubernetes' programs are: make kubernetes builds them", programsEnv)
	}
	c := &cluster{store: harness.Run(t), programs: programs, config: filepath.Join(t.TempDir(), "config")}
	c.startServer(t)
	for resources := range strings.FieldsSeq(os.Getenv(resourcesEnv)) {
		c.do(t, "apply", "--server-side", "--filename", resources)
	}
	c.do(t, "wait", "--for=condition=Established", "--timeout=1m", "customresourcedefinitions", "--all")
	return c
}

// startServer starts an API server that trusts a token, and writes the file with which kubectl reaches it.
func (c *cluster) startServer(t *testing.T) {
	t.Helper()
	dir, port := t.TempDir(), harness.FreePort()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	accounts := file("accounts.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})))
	server := exec.Command(filepath.Join(c.programs, "kube-apiserver"),
		"--etcd-servers="+c.store.URL(),
		"--bind-address=127.0.0.1",
		// Objects of the API server's own have it. Nobody calls it: the network of documentation.
		"--advertise-address=192.0.2.1",
		fmt.Sprintf("--secure-port=%d", port),
		"--cert-dir="+dir,
		"--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+accounts,
		"--service-account-signing-key-file="+accounts,
		"--token-auth-file="+file("tokens.csv", "secret,admin,admin,system:masters\n"),
		"--authorization-mode=RBAC",
		"--profiling=false",
	)
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	server.Stdout, server.Stderr = log, log
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, server.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Wait() // how it ended says its log
	}()
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(stopWithin):
			_ = server.Process.Kill()
			<-ended
		}
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("the API server's log:\n%s", text[max(0, len(text)-16<<10):])
		}
		_ = log.Close()
	})
	require.NoError(t, os.WriteFile(c.config, fmt.Appendf(nil, `
apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: admin}}]
clusters: [{name: test, cluster: {server: "https://127.0.0.1:%d", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: secret}}]
`, port), 0o600))
	deadline := time.Now().Add(readyWithin)
	for {
		said, err := c.kubectl(t.Context(), "", "get", "--raw", "/readyz?verbose")
		if err == nil {
			require.Contains(t, said, "[+]etcd ok")
			return
		}
		select {
		case <-ended:
			t.Fatal("the API server ended")
		case <-time.After(100 * time.Millisecond):
			require.True(t, time.Now().Before(deadline), "it is not ready: %s", said)
		}
	}
}

// kubectl carries out a command, with input, and returns all that it prints.
func (c *cluster) kubectl(ctx context.Context, input string, args ...string) (string, error) {
	bounded, cancel := context.WithTimeout(ctx, answeredWithin)
	defer cancel()
	command := exec.CommandContext(bounded, filepath.Join(c.programs, "kubectl"), append([]string{"--kubeconfig=" + c.config}, args...)...)
	// No settings of whoever runs the tests.
	command.Env = append(os.Environ(), "HOME="+filepath.Dir(c.config), "KUBERC=off")
	command.Stdin = strings.NewReader(input)
	said, err := command.CombinedOutput()
	return string(said), err
}

// do carries out a command of kubectl's that must succeed, without a warning, and returns the lines that it prints.
func (c *cluster) do(t *testing.T, args ...string) []string {
	t.Helper()
	said, err := c.kubectl(t.Context(), "", args...)
	require.NoError(t, err, "kubectl %s: %s", strings.Join(args, " "), said)
	require.NotContains(t, said, "Warning", "kubectl %s", strings.Join(args, " "))
	return strings.Split(strings.TrimSpace(said), "\n")
}
