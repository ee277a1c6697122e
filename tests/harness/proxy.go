package harness

import (
	"context"
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
