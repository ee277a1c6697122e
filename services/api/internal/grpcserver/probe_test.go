package grpcserver

import (
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// keepAliveAck acknowledges a PING that is no probe.
const keepAliveAck = "\x00\x00\x08\x06\x01\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00"

// outgoing records what reaches the client, in pieces as they were written.
type outgoing struct {
	net.Conn
	mu     sync.Mutex // the timer of an acknowledgement writes too
	pieces []string
	closed bool
}

func (o *outgoing) sent() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.pieces)
}

func (o *outgoing) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, net.ErrClosed
	}
	o.pieces = append(o.pieces, string(b))
	return len(b), nil
}

func (o *outgoing) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return nil
}

func write(t *testing.T, conn net.Conn, pieces ...string) {
	t.Helper()
	for _, piece := range pieces {
		n, err := conn.Write([]byte(piece))
		require.NoError(t, err)
		require.Equal(t, len(piece), n)
	}
}

// Goal: a probe is acknowledged late, and once, while all else goes out at once. Method: an acknowledgement between small
// answers, in fake time.
func TestProbeIsAcknowledgedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &outgoing{}
		conn := newProbed(client)
		defer conn.Close()
		write(t, conn, probeAck, "answer", keepAliveAck)
		<-time.After(probeDelay - 1)
		synctest.Wait()
		require.Equal(t, []string{"answer", keepAliveAck}, client.sent())
		<-time.After(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"answer", keepAliveAck, probeAck}, client.sent())
	})
}

// Goal: where much is sent the client's window grows without delay. Method: an acknowledgement before a large answer, and
// one after it.
func TestProbeOfMuchIsAcknowledgedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &outgoing{}
		conn := newProbed(client)
		defer conn.Close()
		large := string(make([]byte, probeBytes))
		write(t, conn, probeAck, large)
		require.Equal(t, []string{large + probeAck}, client.sent(), "one write for both")
		write(t, conn, large, probeAck)
		require.Equal(t, []string{large, probeAck}, client.sent()[1:])
	})
}

// Goal: nothing is taken out of a frame. Method: bytes that look like an acknowledgement end a frame that filled the buffer.
func TestProbeIsNotSeenInFrame(t *testing.T) {
	client := &outgoing{}
	conn := newProbed(client)
	defer conn.Close()
	write(t, conn, string(make([]byte, writeBufferBytes)), probeAck)
	require.Len(t, client.sent(), 2)
}

// Goal: nothing is put into a frame. Method: an acknowledgement is held back when a frame begins that fills the buffer, and
// the rest of it takes long.
func TestProbeWaitsForEndOfFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &outgoing{}
		conn := newProbed(client)
		defer conn.Close()
		write(t, conn, probeAck, string(make([]byte, writeBufferBytes)))
		<-time.After(time.Second)
		synctest.Wait()
		require.Len(t, client.sent(), 1)
		write(t, conn, "rest")
		require.Equal(t, []string{"rest" + probeAck}, client.sent()[1:])
	})
}

// Goal: who writes hears of its own bytes alone, also where an acknowledgement goes out with them. Method: a connection that takes
// less than it is given, and then one that is closed.
func TestProbeIsNobodysBytes(t *testing.T) {
	taken := &cut{takes: probeBytes + 3}
	conn := newProbed(taken)
	defer conn.Close()
	write(t, conn, probeAck)
	n, err := conn.Write(make([]byte, probeBytes))
	require.Equal(t, probeBytes, n)
	require.ErrorIs(t, err, net.ErrClosed)
	taken.takes = 5
	write(t, conn, probeAck)
	n, err = conn.Write(make([]byte, probeBytes))
	require.Equal(t, 5, n)
	require.ErrorIs(t, err, net.ErrClosed)
}

// cut is a connection that ends after so many bytes of a write.
type cut struct {
	net.Conn
	takes int
}

func (c *cut) Write(b []byte) (int, error) { return min(c.takes, len(b)), net.ErrClosed }

func (*cut) Close() error { return nil }

// Goal: a connection that closes leaves nothing behind. Method: close one that holds an acknowledgement back, twice.
func TestProbeEndsWithConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &outgoing{}
		conn := newProbed(client)
		write(t, conn, probeAck)
		require.NoError(t, conn.Close())
		require.NoError(t, conn.Close())
		<-time.After(time.Second)
		synctest.Wait()
		require.Empty(t, client.sent())
	})
}
