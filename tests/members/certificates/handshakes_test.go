package certificates

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/ingress"
	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: GHSA-6vch-q96h-7gc3: handshakes that do not get on are bounded in time and number at every listener, and keep nobody
// out. Method: a low limit on open files; at each listener more connections than may be that stop before or in the middle of
// the handshake, and others that are served meanwhile, at each; then the end of those that stopped.
func TestGHSA6vchq96h7gc3(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t)
	shown := issue(t, authority, "server")
	url := func() string { return fmt.Sprintf("https://127.0.0.1:%d", harness.FreePort()) }
	client, metrics, peer := url(), url(), url()
	binary, err := harness.Binary()
	require.NoError(t, err)
	s := harness.New(harness.Config{Binary: harness.Limited(t, binary, 256), DataDir: t.TempDir(), PeerTLS: true, Args: []string{
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client, "--listen-metrics-urls=" + metrics,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=one=" + peer,
		"--cert-file=" + shown.Cert, "--key-file=" + shown.Key, "--trusted-ca-file=" + authority.CA(),
		"--peer-cert-file=" + shown.Cert, "--peer-key-file=" + shown.Key, "--peer-trusted-ca-file=" + authority.CA(),
	}})
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the server's output:\n%s", s.Output())
		}
	})
	require.NoError(t, s.Start(harness.Context(t)))

	config := caller(t, shown, authority)
	known, err := harness.DialTLS(config.Clone(), client)
	require.NoError(t, err)
	defer known.Close()
	_, err = known.Put(harness.Context(t), "key", "before")
	require.NoError(t, err)

	var stuck []net.Conn
	for _, listener := range []string{client, metrics, peer} {
		for i := range 300 {
			conn, err := net.Dial("tcp", strings.TrimPrefix(listener, "https://"))
			require.NoError(t, err)
			defer conn.Close()
			if i%2 == 1 {
				_, _ = io.WriteString(conn, "\x16\x03\x01\x02\x00\x01") // the beginning of a hello
			}
			stuck = append(stuck, conn)
		}
	}
	for name, open := range map[string]door{
		"gRPC": gRPC(t, client), "health": page(client+"/health", "HTTP/2"),
		"metrics": page(metrics+"/metrics", "HTTP/1.1"), "members": page(peer+"/version", "HTTP/2"),
	} {
		require.NoError(t, open(config), name)
	}
	_, err = known.Put(harness.Context(t), "key", "during")
	require.NoError(t, err)
	until := time.Now().Add(ingress.HeadTimeout + 20*time.Second)
	for _, conn := range stuck {
		require.NoError(t, conn.SetReadDeadline(until))
		_, err := io.Copy(io.Discard, conn)
		require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "a connection that does not get on is still open")
	}
	require.NotContains(t, s.Output(), "too many open files")
}
