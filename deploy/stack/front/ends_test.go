package front_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/deploy/stack/front"
)

// refusing is a listener that fails to accept a number of times, as where no descriptors are left.
type refusing struct {
	front.Listener
	left atomic.Int64
}

func (r *refusing) AcceptTCP() (*net.TCPConn, error) {
	if r.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return r.Listener.AcceptTCP()
}

// before runs a front for the length of a test before one node, which does with its connections what do says, and returns a client's connection.
//
// A connection that comes before the front knows the node is turned away, and the client comes again.
func before(t *testing.T, refusals int64, do func(*net.TCPConn)) *net.TCPConn {
	t.Helper()
	home := netip.MustParseAddr("127.0.0.1")
	target, listener := listen(t, home, 0), listen(t, home, 0)
	well := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(well.Close)
	failing := &refusing{Listener: listener}
	failing.left.Store(refusals)
	f, err := front.New(front.Config{
		Host: "nodes.test", Listeners: map[int]front.Listener{port(target): failing}, ReadyPort: well.Listener.Addr().(*net.TCPAddr).Port, ConnectionsMax: connectionsMax,
		Lookup: func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{home}, nil },
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	f.SetTimes(50*time.Millisecond, 50*time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- f.Run(ctx) }()
	go func() {
		defer func() { ended <- nil }()
		for {
			conn, err := target.AcceptTCP()
			if err != nil {
				return
			}
			do(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		cancel()
		_ = target.Close()
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
	})
	for {
		conn, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
		if _, err := io.ReadFull(conn, make([]byte, len(greeting))); err == nil {
			return conn.(*net.TCPConn)
		}
	}
}

const greeting = "hello"

// Goal: a front that cannot accept for a while goes on when it can (it ended, and every connection with it). Method: a listener that has no descriptors
// left three times.
func TestFailingAcceptIsTriedAgain(t *testing.T) {
	conn := before(t, 3, func(conn *net.TCPConn) {
		_, _ = io.WriteString(conn, greeting)
		_, _ = io.Copy(conn, conn)
	})
	echo(t, conn)
}

// Goal: a side that has said its last is not kept for ever by one that neither says anything nor ends. Method: a client that closes its writing half, and a node
// that waits for the connection to be gone.
func TestHalfClosedConnectionsEnd(t *testing.T) {
	heard, over := make(chan error, 1), make(chan struct{})
	defer close(over)
	conn := before(t, 0, func(conn *net.TCPConn) {
		_, _ = io.WriteString(conn, greeting)
		_, err := io.Copy(io.Discard, conn) // the client's last, passed on
		heard <- err
		<-over
	})
	require.NoError(t, conn.CloseWrite())
	require.NoError(t, <-heard)
	_, err := io.ReadAll(conn)
	require.NoError(t, err)
}

// Goal: a client that does not read what a node sends it is let go, with the node's connection. Method: a node that writes until it fails.
func TestUnreadConnectionsEnd(t *testing.T) {
	failed := make(chan error, 1)
	before(t, 0, func(conn *net.TCPConn) {
		_, err := io.WriteString(conn, greeting)
		for block := make([]byte, 1<<20); err == nil; {
			_ = conn.SetWriteDeadline(time.Now().Add(30 * time.Second))
			_, err = conn.Write(block)
		}
		failed <- err
	})
	require.NotErrorIs(t, <-failed, os.ErrDeadlineExceeded)
}
