package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/quoratedb/quorate/services/quorate/config"
)

// Limits of the listeners. There is none on a whole request or answer: streams between services last.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 5 * time.Minute
	// pingAfter is how long nothing may arrive from a caller before it is pinged, and pingTimeout how long it has to answer:
	// the streams of one that is gone end.
	pingAfter   = 5 * time.Second
	pingTimeout = 5 * time.Second
	// windowBytes is how much a caller may send on one connection, and on one stream, before it is read: a batch of large
	// values should not wait for a round trip.
	windowBytes = 4 << 20
	// drainTimeout bounds how long calls under way may take once the node stops; streams end at once.
	drainTimeout = 2 * time.Second
)

// serveInternal serves other services until ctx ends.
func (n *Node) serveInternal(ctx context.Context, e *config.Endpoint) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	// Streams end when the listener does, unary calls when they are through or the time to drain is.
	streams, endStreams := context.WithCancel(context.WithoutCancel(ctx))
	defer endStreams()
	return serve(ctx, e, n.ServerTLS, endStreams, &http.Server{
		Handler:           n.mux,
		BaseContext:       func(net.Listener) context.Context { return streams },
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		Protocols:         protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          math.MaxInt32,
			MaxReceiveBufferPerConnection: windowBytes,
			MaxReceiveBufferPerStream:     windowBytes,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingTimeout,
		},
		// What it logs are callers' mistakes: that a handshake of TLS failed, mostly.
		ErrorLog: slog.NewLogLogger(n.Log.Handler(), slog.LevelWarn),
	})
}

// serveMonitors serves health and metrics until ctx ends.
func (n *Node) serveMonitors(ctx context.Context, e *config.Endpoint) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("/readyz", n.readyz)
	mux.HandleFunc("/health", n.health)
	mux.Handle("/metrics", promhttp.HandlerFor(n.Metrics, promhttp.HandlerOpts{}))
	return serve(ctx, e, nil, func() {}, &http.Server{
		Handler: mux, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(n.Log.Handler(), slog.LevelDebug),
	})
}

// serve runs a server on a listener until ctx ends, calls ending then, and returns once no request is being served.
func serve(ctx context.Context, e *config.Endpoint, secrets *tls.Config, ending func(), server *http.Server) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ending()
		draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		err := server.Shutdown(draining)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		stopped <- err
	})
	var err error
	if secrets == nil {
		err = server.Serve(e)
	} else {
		server.TLSConfig = secrets.Clone()
		err = server.ServeTLS(e, "", "")
	}
	if stop() {
		return errors.Join(fmt.Errorf("serve on %s: %w", e.URL, err), server.Close())
	}
	return <-stopped
}
