package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/quoratedb/quorate/pkg/ingress"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/admission"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/notices"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// Handler serves what other members ask for: messages, snapshots, who the members are, and what was mounted. It may be
// served before Run and after it; it refuses then.
func (t *Transport) Handler() http.Handler { return t.mux }

func (t *Transport) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathStream, t.serveStream)
	mux.HandleFunc("GET "+wire.PathMembers, t.serveMembers)
	mux.HandleFunc("GET "+wire.PathVersion, t.serveVersion)
	mux.HandleFunc("GET "+wire.PathSnapshot+"{id}", t.guarded(func(r *run, g wire.Greeting, w http.ResponseWriter, req *http.Request) {
		r.sender.ServeManifest(g.From, w, req)
	}))
	mux.HandleFunc("GET "+wire.PathSnapshot+"{id}/{file}", t.guarded(func(r *run, g wire.Greeting, w http.ResponseWriter, req *http.Request) {
		r.sender.ServeFile(g.From, w, req)
	}))
	mux.HandleFunc("POST "+wire.PathSnapshot+"{id}/result", t.guarded(func(r *run, g wire.Greeting, w http.ResponseWriter, req *http.Request) {
		r.sender.ServeResult(g.From, w, req)
	}))
	return mux
}

// Mount has handler serve the requests of other members under pattern, a pattern of http.ServeMux. Requests must carry
// the headers that HTTPClient sets: those of another cluster, of a removed member or for another member are refused. It
// must be called before Handler is served.
func (t *Transport) Mount(pattern string, handler http.Handler) {
	t.mux.HandleFunc(pattern, t.guarded(func(_ *run, _ wire.Greeting, w http.ResponseWriter, req *http.Request) {
		handler.ServeHTTP(w, req)
	}))
}

// guarded lets only members of the cluster in.
func (t *Transport) guarded(serve func(*run, wire.Greeting, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		r, leave, ok := t.enter()
		if !ok {
			wire.Refuse(wire.RefusedNotNow, "this member is starting or stopping").Write(w)
			return
		}
		defer leave()
		g, refusal := t.admit(r, req, admission.MembersOnly)
		if refusal != nil {
			refusal.Write(w)
			return
		}
		ctx, cancel := context.WithCancel(req.Context())
		defer cancel()
		for _, ending := range []context.Context{r.ctx, req.Context()} {
			defer hurry(ending, w, cancel)()
		}
		serve(r, g, w, req.WithContext(ctx))
	}
}

// hurry cancels a request when ending ends, and lets its body and its answer take flushMax from then on: whoever does not
// send the one or take the other must not hold up the end. The function that it returns must be called before the handler returns, because there is no answer
// any more then, and setting its deadline would crash the process.
func hurry(ending context.Context, w http.ResponseWriter, cancel context.CancelFunc) func() {
	done := make(chan struct{})
	stop := context.AfterFunc(ending, func() {
		defer close(done)
		cancel()
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(flushMax)) // of what it has not sent yet
		_ = control.SetWriteDeadline(time.Now().Add(flushMax))
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// greeting is what this member says of itself to another, 0 for whoever it may be.
func (t *Transport) greeting(r *run, to uint64) wire.Greeting {
	g := wire.Greeting{
		Cluster: r.cluster, From: r.self, Incarnation: r.incarnation, To: to, Protocol: wire.ProtocolVersion, ProtocolMin: wire.ProtocolVersionMin,
		Server: t.cfg.ServerVersion, URLs: t.cfg.AdvertiseURLs,
	}
	t.mu.Lock()
	known := t.mu.known.Incarnation(to)
	t.mu.Unlock()
	g.Proof = g.Prove(known)
	return g
}

// Serve serves Handler on listener, with TLS unless config is nil, until ctx ends. It closes the listener then, ends the
// streams, and returns once no request is being served, whatever the connections do. It may be called for several listeners, and before Run.
func (t *Transport) Serve(ctx context.Context, listener net.Listener, config *tls.Config) error {
	server := ingress.New(ingress.Config{
		Handler:      t.Handler(),
		Streams:      func(r *http.Request) bool { return r.URL.Path == wire.PathStream || ingress.Streams(r) },
		HeadBytesMax: headBytesMax,
		HTTP2:        &http.HTTP2Config{},
		Connections:  t.cfg.Connections,
		BaseContext:  func(net.Listener) context.Context { return ctx },
		ErrorLog:     log.New(serverLog{t.notices}, "", 0),
	})
	return server.Run(ctx, listener, config)
}

// serverLog takes what net/http has to say: that a handshake of TLS failed, mostly. Whoever connects can cause it.
type serverLog struct{ notices *notices.Notices }

func (l serverLog) Write(p []byte) (int, error) {
	l.notices.WarnWhy(0, "a connection of another member failed", errors.New(strings.TrimSpace(string(p))))
	return len(p), nil
}
