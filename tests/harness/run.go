package harness

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Run starts a server with the given further arguments for the length of a test.
func Run(t testing.TB, args ...string) *Server {
	t.Helper()
	if os.Getenv(EndpointEnv) != "" {
		t.Skipf("needs a server for itself, and %s names one for all", EndpointEnv)
	}
	binary, err := Binary()
	require.NoError(t, err)
	s := New(Config{Binary: binary, DataDir: t.TempDir(), Args: args})
	require.NoError(t, s.Start(context.Background()))
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the server's output:\n%s", s.Output())
		}
	})
	return s
}

// Main runs a package's tests beside one server that they share, which it gives to use before they start: the one that EndpointEnv names, or one
// that it starts with the given further arguments. It returns the exit code.
func Main(m *testing.M, use func(*Server), args ...string) int {
	if endpoint := os.Getenv(EndpointEnv); endpoint != "" {
		use(At(endpoint))
		return m.Run()
	}
	binary, err := Binary()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "quorate-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	s := New(Config{Binary: binary, DataDir: filepath.Join(dir, "data"), Args: args})
	if err := s.Start(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.Kill()
	use(s)
	code := m.Run()
	if code != 0 {
		fmt.Fprintf(os.Stderr, "the server's output:\n%s\n", s.Output())
	}
	return code
}

// Dial connects a client of its own to one endpoint, or to several that it uses in turn.
func Dial(endpoints ...string) (*clientv3.Client, error) { return DialTLS(nil, endpoints...) }

// DialTLS is Dial with TLS, unless secrets is nil.
func DialTLS(secrets *tls.Config, endpoints ...string) (*clientv3.Client, error) {
	return DialAs("", "", secrets, endpoints...)
}

// DialAs is DialTLS of a user, who logs in at once.
func DialAs(user, password string, secrets *tls.Config, endpoints ...string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints:   endpoints,
		Username:    user,
		Password:    password,
		TLS:         secrets,
		DialTimeout: 10 * time.Second,
		// A restarted server is to be found again at once.
		BackoffWaitBetween: 20 * time.Millisecond,
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond},
			MinConnectTimeout: time.Second,
		})},
		Logger: zap.NewNop(),
	})
}

// Client connects a client of its own for the length of a test.
func Client(t testing.TB, s *Server) *clientv3.Client {
	t.Helper()
	client, err := Dial(s.Endpoint())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

// Put puts a key, again where leadership moved meanwhile: among several members on a busy machine it does so by itself.
func Put(ctx context.Context, client *clientv3.Client, key, value string) (*clientv3.PutResponse, error) {
	for {
		put, err := client.Put(ctx, key, value)
		if !errors.Is(err, rpctypes.ErrLeaderChanged) {
			return put, err
		}
	}
}

// Context bounds one step of a test, so that what hangs fails.
func Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Command is one of etcd's own programs, to be run against the server.
func Command(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := Peer(name)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, path, args...)
}
