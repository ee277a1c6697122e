package sniff

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/ingress"
)

const testTime = 10 * time.Second

// running is a mux under test.
type running struct {
	*Mux
	address string
	end     context.CancelFunc
	ended   chan error
}

func run(t *testing.T, cfg Config, secure *tls.Config) *running {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return runOn(t, cfg, Listener{Listener: listener, TLS: secure})
}

func runOn(t *testing.T, cfg Config, listener Listener) *running {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Mux: New(cfg), address: listener.Addr().String(), end: cancel, ended: make(chan error, 1)}
	var done sync.WaitGroup
	done.Go(func() { r.ended <- r.Run(ctx, listener) })
	t.Cleanup(func() {
		cancel()
		done.Wait()
	})
	return r
}

func (r *running) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", r.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
}

func accept(t *testing.T, from net.Listener) *Conn {
	t.Helper()
	conn, err := from.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*Conn)
}

// Goal: connections that say nothing, or stop half way, delay no other. Method: open some of each kind, then be served.
func TestSlowConnectionsDelayNobody(t *testing.T) {
	r := run(t, Config{}, nil)
	whole := preface().request("application/grpc", 1).String()
	for _, said := range []string{"", "P", whole[:20], whole[:40], whole[:len(whole)-1]} {
		send(t, r.dial(t), said)
	}
	send(t, r.dial(t), whole)
	got := make([]byte, len(whole))
	_, err := io.ReadFull(accept(t, r.GRPC()), got)
	require.NoError(t, err)
	require.Equal(t, whole, string(got))

	send(t, r.dial(t), "GET / HTTP/1.1\r\n\r\n")
	got = make([]byte, 5)
	_, err = io.ReadFull(accept(t, r.HTTP()), got)
	require.NoError(t, err)
	require.Equal(t, "GET /", string(got))
}

// Goal: after the decision both directions are the connection's own. Method: talk on, both ways.
func TestTalksOn(t *testing.T) {
	r := run(t, Config{}, nil)
	client := r.dial(t)
	send(t, client, "GET /")
	server := accept(t, r.HTTP())
	send(t, client, " HTTP/1.1")
	send(t, server, "200")
	got := make([]byte, 14)
	_, err := io.ReadFull(server, got)
	require.NoError(t, err)
	require.Equal(t, "GET / HTTP/1.1", string(got))
	_, err = io.ReadFull(client, got[:3])
	require.NoError(t, err)
	require.Equal(t, "200", string(got[:3]))
}

// Goal: a client that connects and is silent is let go. Method: fake time and a pipe.
func TestSilentConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := newPipes()
		runOn(t, Config{}, Listener{Listener: listener})
		client, begin := listener.dial(), time.Now()
		_, err := client.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, ingress.HeadTimeout, time.Since(begin))
	})
}

// Goal: no more connections are open than allowed: one too many takes the place of one that has said nothing, and is
// refused and counted where all are served; one that closes makes room. Method: fill a mux of two.
func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := newPipes()
		r := runOn(t, Config{ConnectionsMax: 2}, Listener{Listener: listener})
		over := func(conn net.Conn) bool {
			_, err := conn.Read(make([]byte, 1))
			return errors.Is(err, io.EOF)
		}
		grpc := preface().request("application/grpc", 1).String()
		first := listener.dial()
		send(t, first, grpc)
		served := accept(t, r.GRPC())
		silent := listener.dial()
		synctest.Wait()
		third := listener.dial()
		require.True(t, over(silent))
		send(t, third, grpc)
		accept(t, r.GRPC())
		require.True(t, over(listener.dial()))
		require.EqualValues(t, 2, r.Connections().Refused())
		require.NoError(t, served.Close())
		require.NoError(t, served.Close(), "closing twice must not make room twice")
		fourth := listener.dial()
		send(t, fourth, "GET /4 HTTP/1.1\r\n\r\n")
		got := make([]byte, 6)
		_, err := io.ReadFull(accept(t, r.HTTP()), got)
		require.NoError(t, err)
		require.Equal(t, "GET /4", string(got))
	})
}

// Goal: the end closes what is undecided or not taken, leaves what was handed on, and waits for its goroutines (goleak
// looks after the test). Method: one connection of each kind.
func TestEnd(t *testing.T) {
	r := run(t, Config{}, nil)
	handed, undecided, waiting := r.dial(t), r.dial(t), r.dial(t)
	send(t, handed, "GET / HTTP/1.1\r\n\r\n")
	server := accept(t, r.HTTP())
	send(t, undecided, "PRI")
	send(t, waiting, "GET / HTTP/1.1\r\n\r\n")

	r.end()
	require.NoError(t, <-r.ended)
	for _, conn := range []net.Conn{undecided, waiting} {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(testTime)))
		_, err := conn.Read(make([]byte, 1))
		require.Error(t, err)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
	}
	send(t, server, "200")
	got := make([]byte, 3)
	_, err := io.ReadFull(handed, got)
	require.NoError(t, err)
	_, err = net.Dial("tcp", r.address)
	require.Error(t, err)
}

// Goal: a failure to accept is overcome, one of the listener is reported. Method: a listener that fails first for want
// of file descriptors and later because somebody closed it.
func TestAcceptFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := newPipes()
		listener.failures = make(chan error, 1)
		r := runOn(t, Config{}, Listener{Listener: listener})
		listener.failures <- errors.New("too many open files")
		client := listener.dial()
		send(t, client, "GET / HTTP/1.1\r\n\r\n")
		accept(t, r.HTTP())
		require.NoError(t, listener.Close())
		require.ErrorIs(t, <-r.ended, net.ErrClosed)
	})
}

// Goal: TLS is spoken before anything is looked at, and what was negotiated is known afterwards. Method: a client for
// each protocol it may negotiate.
func TestTLS(t *testing.T) {
	secure, roots := selfSigned(t)
	r := run(t, Config{}, secure)
	connect := func(protocols ...string) net.Conn {
		client := tls.Client(r.dial(t), &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: protocols})
		require.NoError(t, client.Handshake())
		return client
	}
	send(t, connect("h2"), preface().request("application/grpc", 1).String())
	require.Equal(t, "h2", accept(t, r.GRPC()).TLS().NegotiatedProtocol)
	send(t, connect("h2"), preface().request("application/json", 1).String())
	require.Equal(t, "h2", accept(t, r.HTTP()).TLS().NegotiatedProtocol)
	send(t, connect("http/1.1"), "GET")
	require.Equal(t, "http/1.1", accept(t, r.HTTP()).TLS().NegotiatedProtocol)
	send(t, connect(), preface().request("application/grpc", 1).String())
	require.Empty(t, accept(t, r.GRPC()).TLS().NegotiatedProtocol)

	plain := r.dial(t)
	send(t, plain, "GET / HTTP/1.1\r\n\r\n")
	require.NoError(t, plain.SetReadDeadline(time.Now().Add(testTime)))
	_, err := io.ReadAll(plain)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
}

// pipes is a listener without a network, for fake time.
type pipes struct {
	conns    chan net.Conn
	failures chan error
	closed   chan struct{}
	once     sync.Once
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipes) dial() net.Conn {
	server, client := net.Pipe()
	p.conns <- server
	return client
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case err := <-p.failures:
		return nil, err
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return address{} }

func selfSigned(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{"h2", "http/1.1"},
	}, roots
}
