package harness

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Proxy starts quorate grpc-proxy in front of endpoints for the length of a test, with further arguments. It keeps its port over restarts.
func Proxy(t testing.TB, endpoints string, args ...string) *Server {
	t.Helper()
	binary, err := Binary()
	require.NoError(t, err)
	s := &Server{config: Config{Binary: binary}, client: FreePort()}
	s.program = append([]string{"grpc-proxy", "start", "--listen-addr=" + s.Endpoint(), "--endpoints=" + endpoints}, args...)
	require.NoError(t, s.Start(context.Background()))
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the proxy's output:\n%s", s.Output())
		}
	})
	return s
}

// Front starts quorate-stack's front, in front of nodes at a loopback port, for the length of a test. Its endpoint has its health and metrics.
func Front(t testing.TB, port int) *Server {
	t.Helper()
	programs, err := Make("build", "bin")
	require.NoError(t, err)
	s := &Server{config: Config{Binary: filepath.Join(programs, "quorate-stack")}, client: FreePort()}
	s.program = []string{"front", "--nodes=127.0.0.1", "--listen-host=127.0.0.2", fmt.Sprintf("--ports=%d", port), "--listen-health=" + s.Endpoint()}
	require.NoError(t, s.Launch())
	t.Cleanup(s.Kill)
	require.NoError(t, s.AwaitOutput(context.Background(), "passing connections on"))
	return s
}
