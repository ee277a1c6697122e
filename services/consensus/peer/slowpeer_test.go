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

// latePeer accepts one stream after the other and answers each ping after a while. It returns its URL. Who calls it must have ended
// before it does.
func latePeer(t *testing.T, late time.Duration) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			answerLate(conn, late)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return "http://" + listener.Addr().String()
}

// answerLate accepts a stream and answers its pings until it ends.
func answerLate(conn net.Conn, late time.Duration) {
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
}

// Goal: of a peer that answers, but late, the log says so. Method: one that answers pings after half of the longest silence; on a machine
// that has more to do a stream may break first, and the next one is answered as late.
func TestSlowPeerIsSaid(t *testing.T) {
	late := latePeer(t, silenceMin/2)
	a := startNode(t, 0xa, nodeOptions{config: shortSilence})
	a.SetPeers([]*consensusv1.Member{{Id: 0xc, PeerUrls: []string{late}}})
	awaitTrue(t, func() bool { return strings.Contains(a.logged.String(), "a peer is slow to answer") })
}
