package node

import (
	"context"
	"log/slog"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/quoratedb/quorate/pkg/ingress"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// Limits of the internal listener; package ingress has those of all listeners.
const (
	// pingAfter is how long nothing may arrive from a caller before it is pinged, and pingTimeout how long it has to answer:
	// the streams of one that is gone end.
	pingAfter   = 5 * time.Second
	pingTimeout = 5 * time.Second
	// windowBytes is how much a caller may send on one connection, and on one stream, before it is read: a batch of large
	// values should not wait for a round trip.
	windowBytes = 4 << 20
)

// serveInternal serves other services until ctx ends.
func (n *Node) serveInternal(ctx context.Context, e *config.Endpoint) error {
	// Streams end when the listener does, unary calls when they are through or the time to drain is.
	streams, endStreams := context.WithCancel(context.WithoutCancel(ctx))
	defer endStreams()
	server := ingress.New(ingress.Config{
		Handler: n.mux,
		Streams: ingress.Streams,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          math.MaxInt32,
			MaxReceiveBufferPerConnection: windowBytes,
			MaxReceiveBufferPerStream:     windowBytes,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingTimeout,
		},
		Connections: n.callers,
		BaseContext: func(net.Listener) context.Context { return streams },
		Ending:      endStreams,
		// What it logs are callers' mistakes: that a handshake of TLS failed, mostly.
		ErrorLog: slog.NewLogLogger(n.Logger.Handler(), slog.LevelWarn),
	})
	return server.Run(ctx, e, n.ServerTLS)
}

// serveMonitors serves health and metrics until ctx ends.
func (n *Node) serveMonitors(ctx context.Context, e *config.Endpoint) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("/readyz", n.readyz)
	mux.HandleFunc("/health", n.health)
	mux.Handle("/metrics", promhttp.HandlerFor(n.Metrics, promhttp.HandlerOpts{}))
	server := ingress.New(ingress.Config{
		Handler: mux, Connections: n.watchers, ErrorLog: slog.NewLogLogger(n.Logger.Handler(), slog.LevelDebug),
	})
	return server.Run(ctx, e, nil)
}
