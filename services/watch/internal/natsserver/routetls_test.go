package natsserver

import (
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// Goal: GHSA-6vch-q96h-7gc3, for routes between watch nodes: a handshake that does not get on ends, and soon. Method: connections
// that stop before it and in the middle of it.
func TestGHSA6vchq96h7gc3(t *testing.T) {
	cert, key, err := tlsconfig.SelfSigned(t.TempDir(), []string{"127.0.0.1"}, 1)
	require.NoError(t, err)
	material, err := tlsconfig.Server{CertFile: cert, KeyFile: key, TrustedCAFile: cert}.Load(tlsconfig.Policy{})
	require.NoError(t, err)
	serving, err := material.Serving()
	require.NoError(t, err)
	s, err := Start(Config{
		Logger: slog.New(slog.DiscardHandler), PayloadBytesMax: 1 << 10, PendingBytesMax: 1 << 20,
		Routes: &Routes{Listen: "127.0.0.1:0", TLS: RouteTLS(serving, material.Calling, []string{"127.0.0.1:1"})},
	})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	require.Eventually(t, func() bool { return s.RouteAddress() != nil }, 10*time.Second, 10*time.Millisecond)
	for _, sent := range []string{"", "\x16\x03\x01\x02\x00\x01"} {
		conn, err := net.Dial("tcp", s.RouteAddress().String())
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, sent)
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
		_, err = io.Copy(io.Discard, conn)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "it is still open")
	}
}
