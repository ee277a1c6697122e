package sniff

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/pkg/ingress"
)

const (
	// ConnectionsMax is how many connections may be open unless Config says otherwise. Each costs about 70 KiB once it
	// is served, so this is a bound for accidents, not a quota.
	ConnectionsMax = 1 << 16
	// acceptBackoffMin and acceptBackoffMax are the first and the longest pause after a failure to accept, say for want of file descriptors.
	acceptBackoffMin = 5 * time.Millisecond
	acceptBackoffMax = time.Second
)

// Config says how connections are taken.
type Config struct {
	// ConnectionsMax bounds the open connections, those that were handed on included; beyond it, a connection takes the
	// place of one that has no request, or is refused. 0 means ConnectionsMax.
	ConnectionsMax int
	Logger         *slog.Logger
	// Registerer may be nil.
	Registerer prometheus.Registerer
}

// Listener is where connections come from.
type Listener struct {
	net.Listener
	// TLS, unless nil, is spoken by every connection. It must offer "h2" and "http/1.1" as NextProtos.
	TLS *tls.Config
	// Plain has those connections go without TLS that do not begin with its handshake.
	Plain bool
}

// Mux sorts connections. Create it with New, give its two listeners to two servers, and Run it.
type Mux struct {
	logger *slog.Logger
	grpc   *queue
	http   *queue
	// open are the connections that are open.
	open    *ingress.Connections
	sorting sync.WaitGroup
}

// New starts nothing.
func New(cfg Config) *Mux {
	if cfg.ConnectionsMax <= 0 {
		cfg.ConnectionsMax = ConnectionsMax
	}
	m := &Mux{
		logger: cfg.Logger,
		grpc:   newQueue(),
		http:   newQueue(),
		open:   ingress.NewConnections(cfg.ConnectionsMax, "clients", cfg.Logger),
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "quorate_api_connections",
			Help: "Open client connections.",
		}, func() float64 { return float64(m.open.Open()) }))
		cfg.Registerer.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "quorate_api_connections_refused_total",
			Help: "Client connections that were closed, at once or while they had no request, because as many were open as may be.",
		}, func() float64 { return float64(m.open.Refused()) }))
	}
	return m
}

// GRPC is the listener whose connections begin with a gRPC request. They are of type *Conn.
func (m *Mux) GRPC() net.Listener { return m.grpc }

// HTTP is the listener whose connections begin with anything else. They are of type *Conn.
func (m *Mux) HTTP() net.Listener { return m.http }

// Connections are those that are open, for the server behind HTTP to say which have a request.
func (m *Mux) Connections() *ingress.Connections { return m.open }

// Run accepts from the listeners, which it then owns and closes, until ctx ends; it returns when no connection is in its
// hands any more. Those that it
// handed on, and the two listeners that its servers hold, are theirs to close. It fails if a listener of its own does.
func (m *Mux) Run(ctx context.Context, listeners ...Listener) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var accepting sync.WaitGroup
	for _, listener := range listeners {
		accepting.Go(func() {
			if err := m.accept(ctx, listener); err != nil {
				cancel(err)
			}
		})
	}
	<-ctx.Done()
	for _, listener := range listeners {
		_ = listener.Close()
	}
	accepting.Wait()
	m.sorting.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// accept takes connections from one listener, each into a goroutine of its own, so that a slow one delays no other.
func (m *Mux) accept(ctx context.Context, listener Listener) error {
	var backoff time.Duration
	for {
		raw, err := listener.Accept()
		switch {
		case err == nil:
			backoff = 0
			if counted := m.open.Take(raw); counted != nil {
				m.sorting.Go(func() { m.sort(ctx, counted, listener) })
			}
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("listening on %s: %w", listener.Addr(), err)
		}
		backoff = min(max(2*backoff, acceptBackoffMin), acceptBackoffMax)
		m.logger.Error("cannot accept a connection", "address", listener.Addr().String(), "error", err, "retry-in", backoff)
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return nil
		}
	}
}

// sort finds out what a connection speaks and hands it on. The end of ctx closes it if it is still in here.
func (m *Mux) sort(ctx context.Context, raw net.Conn, from Listener) {
	conn := &Conn{Conn: raw, raw: raw}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	to, err := m.meet(ctx, conn, from)
	if err != nil || !stop() {
		_ = conn.Close()
		if err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
			m.logger.Debug("connection ended before its first request", "remote", raw.RemoteAddr().String(), "error", err)
		}
		return
	}
	if !to.put(ctx, conn) {
		_ = conn.Close()
	}
}

// meet does the TLS handshake, if there is one, and sniffs.
func (m *Mux) meet(ctx context.Context, conn *Conn, from Listener) (*queue, error) {
	if err := conn.SetDeadline(time.Now().Add(ingress.HeadTimeout)); err != nil {
		return nil, err
	}
	secure := from.TLS != nil
	if secure && from.Plain {
		var err error
		if secure, err = beginsTLS(conn); err != nil {
			return nil, err
		}
	}
	if secure {
		secured := tls.Server(conn.Conn, from.TLS)
		if err := secured.HandshakeContext(ctx); err != nil {
			m.logger.Warn("rejected connection on client endpoint", "remote", conn.RemoteAddr().String(), "error", err)
			return nil, err
		}
		state := secured.ConnectionState()
		conn.Conn, conn.state = secured, &state
		if state.NegotiatedProtocol == "http/1.1" {
			return m.http, conn.SetDeadline(time.Time{})
		}
	}
	spoken, replay, err := sniff(conn.Conn)
	if err != nil {
		return nil, err
	}
	conn.replay = replay
	if spoken == protocolGRPC {
		m.open.Busy(conn.raw) // its calls are not seen here
		return m.grpc, nil
	}
	return m.http, conn.SetDeadline(time.Time{})
}

// tlsHandshake is the first byte of every connection that speaks TLS, and of none that speaks HTTP.
const tlsHandshake = 0x16

// beginsTLS reads the first byte of a connection, which is read again.
func beginsTLS(conn *Conn) (bool, error) {
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn.Conn, first); err != nil {
		return false, err
	}
	conn.Conn = &Conn{Conn: conn.Conn, raw: conn.raw, replay: first}
	return first[0] == tlsHandshake, nil
}
