package api

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/ingress"
	"github.com/quoratedb/quorate/services/api/internal/calls"
	"github.com/quoratedb/quorate/services/api/internal/connectserver"
	"github.com/quoratedb/quorate/services/api/internal/gateway"
	"github.com/quoratedb/quorate/services/api/internal/sniff"
	v2 "github.com/quoratedb/quorate/services/api/internal/v2"
	"github.com/quoratedb/quorate/services/console"
)

// Limits of the HTTP server for clients; package ingress has those of all listeners.
const (
	// headBytesMax bounds the head of one request: v2's forms may be part of its URL, with a value in them.
	headBytesMax = 1 << 20
	// pingAfter is how long nothing may arrive over HTTP/2 before the client is pinged, and pingTimeout how long it has
	// to answer: the streams of a client that is gone end.
	pingAfter   = time.Minute
	pingTimeout = 20 * time.Second
	// connectionPart is which part of all requests under way one connection may have, as 1/connectionPart: clients are told, and open another one. So a
	// single one cannot leave others without.
	connectionPart = 16
)

// newClientHandler routes everything that is not gRPC.
func newClientHandler(
	cfg Config, services connectserver.Services, watched *calls.Calls, json, tree http.Handler,
) http.Handler {
	mux := http.NewServeMux()
	if !cfg.NoGateway {
		mux.Handle(gateway.Prefix, json)
		mux.Handle(gateway.OldPrefix, json)
	}
	connectserver.Register(mux, services, watched, cfg.receiveBytesMax())
	mux.HandleFunc("/version", versionHandler(cfg.Versions))
	mux.Handle("GET /{$}", newWelcome(cfg))
	if services.Console != nil {
		mux.Handle(console.Prefix, services.Console.Page())
		mux.Handle("GET "+strings.TrimSuffix(console.Prefix, "/"), http.RedirectHandler(console.Prefix, http.StatusMovedPermanently))
	}
	addOperations(mux, cfg.Registerer, cfg.Gatherer, cfg.Monitor.wellness)
	if cfg.Profiling {
		addProfiling(mux)
	}
	all := watched.CountAnswers(mux)
	if tree != nil {
		all = withTree(watched.CountWritten(counted(cfg.Registerer, traced(tree))), all)
	}
	return withTLSState(knownHosts(cfg.HostWhitelist, cfg.Logger, crossOrigin(cfg.CORS, all)))
}

// withTree has v2's paths answered by a handler that routes them itself. To have others look at them before takes as long as to read a key.
func withTree(tree, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, v2.Prefix) && (r.URL.RawPath == "" || strings.HasPrefix(r.URL.RawPath, v2.Prefix)) {
			tree.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// newV2 returns what answers v2's paths, nil if nothing does.
func newV2(cfg Config, watched *calls.Calls, who users) *v2.Server {
	if cfg.Tree == nil {
		return nil
	}
	return v2.New(v2.Config{
		Consensus: cfg.Consensus, Tree: cfg.Tree, Watch: cfg.Watch, Auth: cfg.Auth, Follower: who.follower, Identifier: who.identify, Rates: who.rates, Logger: cfg.Logger,
		Ending: watched.Ending(), Follow: watched.FollowState, Shown: cfg.Shown, RequestTimeout: cfg.RequestTimeout, RequestBytesMax: int(cfg.MaxRequestBytes), Now: time.Now,
	})
}

// newHTTPServer returns a server of HTTP/1.1 and of HTTP/2 without negotiation: TLS, where there is any, was spoken
// before it gets a connection.
func newHTTPServer(handler http.Handler, cfg Config, connections *ingress.Connections) *ingress.Server {
	return ingress.New(ingress.Config{
		Handler:      handler,
		Streams:      func(r *http.Request) bool { return ingress.Streams(r) || gateway.Streams(r) },
		HeadBytesMax: headBytesMax,
		RequestsMax:  budget.Places(),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: int(min(int64(cfg.MaxConcurrentStreams), budget.Places()/connectionPart)),
			SendPingTimeout:      pingAfter,
			PingTimeout:          pingTimeout,
		},
		Connections: connections,
		ConnContext: rememberTLS,
		// What it logs are clients' mistakes.
		ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	})
}

type tlsStateKey struct{}

func rememberTLS(ctx context.Context, conn net.Conn) context.Context {
	if sniffed, ok := conn.(*sniff.Conn); ok && sniffed.TLS() != nil {
		return context.WithValue(ctx, tlsStateKey{}, sniffed.TLS())
	}
	return ctx
}

// withTLSState tells handlers about the TLS that net/http did not see.
func withTLSState(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if state, ok := r.Context().Value(tlsStateKey{}).(*tls.ConnectionState); ok {
			r.TLS = state
		}
		next.ServeHTTP(w, r)
	})
}

func versionHandler(versions Versions) http.HandlerFunc {
	body, err := json.Marshal(versions)
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet:
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(body)
		}
	}
}
