package certificates

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/quoratedb/quorate/tests/faults/chaos/certs"
	"github.com/quoratedb/quorate/tests/harness"
)

// traveller is a client whose connections can be cut, so that it shakes hands anew.
type traveller struct {
	*clientv3.Client
	mu struct {
		sync.Mutex
		conns []net.Conn
		shown certs.Files
	}
}

func travel(t *testing.T, endpoint string, shown certs.Files, trusted ...*certs.Authority) *traveller {
	t.Helper()
	c := &traveller{}
	c.mu.shown = shown
	config := caller(t, shown, trusted...)
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		pair, err := tls.LoadX509KeyPair(c.mu.shown.Cert, c.mu.shown.Key)
		return &pair, err
	}
	var err error
	c.Client, err = clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint}, TLS: config, DialTimeout: 10 * time.Second, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err == nil {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.mu.conns = append(c.mu.conns, conn)
			}
			return conn, err
		})},
	})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// change has the client show another certificate from the next handshake on, and cuts its connections.
func (c *traveller) change(shown certs.Files) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.shown = shown
	for _, conn := range c.mu.conns {
		_ = conn.Close()
	}
	c.mu.conns = nil
}

// Goal: everything that TLS is made of can be replaced while a client writes and watches, without a restart and without an
// event lost: the bundle, the server's certificate and key, the client's, the old authority's end, a revocation (etcd cannot
// load another authority). Method: the steps of docs/tls.md, each followed by new handshakes that must see it; a client that
// is cut off in between shakes hands anew, and its watch has every put at the end.
func TestRotationUnderALiveClient(t *testing.T) {
	t.Parallel()
	before, after := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	put := func(files certs.Files) {
		replace(t, file("server.crt"), read(t, files.Cert))
		replace(t, file("server.key"), read(t, files.Key))
	}
	put(issue(t, before, "server"))
	replace(t, file("ca.crt"), read(t, before.CA()))
	revoke(t, before, file("revoked.crl"))
	url := fmt.Sprintf("https://127.0.0.1:%d", harness.FreePort())
	s := newServer(t, "--peer-auto-tls", "--listen-client-urls="+url, "--advertise-client-urls="+url,
		"--cert-file="+file("server.crt"), "--key-file="+file("server.key"), "--client-cert-auth",
		"--trusted-ca-file="+file("ca.crt"), "--client-crl-file="+file("revoked.crl"))
	require.NoError(t, s.Start(harness.Context(t)))
	pid := s.PID()

	old, young := issue(t, before, "client"), issue(t, after, "client")
	client := travel(t, url, old, before, after)
	watched := client.Watch(t.Context(), "key")
	puts := 0
	write := func() {
		t.Helper()
		// Who was cut off tries again: a put that failed may have been done.
		require.Eventually(t, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := client.Put(ctx, "key", fmt.Sprint(puts))
			return err == nil
		}, 30*time.Second, 20*time.Millisecond)
		puts++
	}
	// comes tells what becomes of a client that comes now.
	comes := func(shown certs.Files, trusted ...*certs.Authority) error {
		return page(url+"/health", "HTTP/2")(caller(t, shown, trusted...))
	}
	write()
	require.NoError(t, comes(old, before))
	require.Error(t, comes(old, after), "the server's certificate is of the old authority")
	require.Error(t, comes(young, before), "the client's is of one that the server does not know")

	replace(t, file("ca.crt"), append(read(t, before.CA()), read(t, after.CA())...))
	require.NoError(t, comes(young, before))
	write()

	// First the certificate, and its key a moment later: who comes in between gets the old pair.
	next := issue(t, after, "server")
	replace(t, file("server.crt"), read(t, next.Cert))
	require.NoError(t, comes(old, before))
	require.NoError(t, s.AwaitOutput(harness.Context(t), "cannot be used: the last one that could stays in use"))
	put(next)
	require.NoError(t, comes(old, after))
	require.Error(t, comes(old, before), "the server's certificate is of the new authority")
	write()

	client.change(young)
	write()
	replace(t, file("ca.crt"), read(t, after.CA()))
	require.Error(t, comes(old, after), "the old authority vouches for nobody any more")
	require.NoError(t, comes(young, after))
	write()

	stolen := issue(t, after, "stolen")
	require.NoError(t, comes(stolen, after))
	revoke(t, after, file("revoked.crl"), stolen)
	require.Error(t, comes(stolen, after), "it is revoked")
	require.NoError(t, os.Remove(file("revoked.crl")))
	require.Error(t, comes(stolen, after), "it is revoked still")
	client.change(young)
	write()

	requireEvery(t, watched, puts)
	require.Equal(t, pid, s.PID())
}

// requireEvery reads a watch until the last put, of which each has its number as its value, and counts.
func requireEvery(t *testing.T, watched clientv3.WatchChan, puts int) {
	t.Helper()
	for seen, last := 0, fmt.Sprint(puts-1); ; {
		answer, ok := <-watched
		require.True(t, ok)
		require.NoError(t, answer.Err())
		seen += len(answer.Events)
		if string(answer.Events[len(answer.Events)-1].Kv.Value) == last {
			require.GreaterOrEqual(t, seen, puts)
			return
		}
	}
}
