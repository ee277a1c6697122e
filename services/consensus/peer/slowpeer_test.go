package peer

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// latePeer accepts a stream and answers each ping after a while. It returns its URL.
func latePeer(t *testing.T, late time.Duration) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done, accepted := make(chan struct{}), make(chan net.Conn, 1)
	go func() {
		defer close(done)
		defer close(accepted)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		accepted <- conn
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for frames := (wire.FrameReader{Source: request.Body}); ; {
			kind, payload, err := frames.Next()
			if err != nil {
				return
			}
			if kind != wire.FramePing {
				continue
			}
			<-time.After(late)
			var answer wire.FrameWriter
			answer.Frame(wire.FrameAlive, payload)
			_, _ = conn.Write(answer.Bytes())
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		if conn := <-accepted; conn != nil {
			_ = conn.Close()
		}
		<-done
	})
	return "http://" + listener.Addr().String()
}

// Goal: of a peer that answers, but late, the log says so. Method: one that answers pings after half of the longest silence.
func TestSlowPeerIsSaid(t *testing.T) {
	a := startNode(t, 0xa, nodeOptions{config: shortSilence})
	a.SetPeers([]*consensusv1.Member{{Id: 0xc, PeerUrls: []string{latePeer(t, silenceMin/2)}}})
	require.Eventually(t, func() bool { return strings.Contains(a.logged.String(), "a peer is slow to answer") }, 20*time.Second, 10*time.Millisecond)
}
