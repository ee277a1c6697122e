package sniff

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
)

// Conn is a connection whose first bytes were read already and are read again. Beyond them it costs one comparison a
// read. It is no *tls.Conn even if it carries TLS, for net/http would then expect to do the handshake itself.
type Conn struct {
	net.Conn
	raw    net.Conn // as it was accepted
	replay []byte
	state  *tls.ConnectionState
}

// TLS is the state of the TLS connection, nil without TLS.
func (c *Conn) TLS() *tls.ConnectionState { return c.state }

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.replay) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.replay)
	c.replay = c.replay[n:]
	if len(c.replay) == 0 {
		c.replay = nil
	}
	return n, nil
}

// NetConn is the connection as it was accepted.
func (c *Conn) NetConn() net.Conn { return c.raw }

// queue is the listener of one server. It holds nothing: a connection is handed over when the server accepts.
type queue struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newQueue() *queue {
	return &queue{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// put hands a connection to the server and tells whether it took it.
func (q *queue) put(ctx context.Context, conn net.Conn) bool {
	select {
	case q.conns <- conn:
		return true
	case <-q.closed:
	case <-ctx.Done():
	}
	return false
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case conn := <-q.conns:
		return conn, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It may be called twice.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

// Addr implements net.Listener. Many listeners may feed a queue, so that it has no address of its own.
func (q *queue) Addr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "sniffed" }
func (address) String() string  { return "client endpoint" }
