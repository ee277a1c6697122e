package peer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/admission"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/inbound"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// serveStream takes the messages of one peer, until the stream breaks, a newer one of the same peer takes its place, or
// the transport stops.
func (t *Transport) serveStream(w http.ResponseWriter, req *http.Request) {
	control := http.NewResponseController(w)
	if err := control.EnableFullDuplex(); err != nil { // or net/http would wait for the end of the body first
		wire.Refuse(wire.RefusedRequest, "a stream needs a connection of HTTP/1.1: %v", err).Write(w)
		return
	}
	defer func() { _ = control.SetReadDeadline(time.Unix(1, 0)) }() // or it would wait for it last
	w.Header().Set("Connection", "close")                           // what follows on it is the rest of the body
	r, leave, ok := t.enter()
	if !ok {
		wire.Refuse(wire.RefusedNotNow, "this member is starting or stopping").Write(w)
		return
	}
	defer leave()
	g, refusal := t.admit(r, req, admission.GuestsToo)
	if refusal != nil {
		refusal.Write(w)
		return
	}
	in := inbound.New(inward{t, r}, r.self, g, w, req.Body, t.cfg.silence(), t.metrics.ReceivedBytes.WithLabelValues(identity.Format(g.From)))
	t.greeting(r, g.From).Write(w.Header())
	w.Header().Set(wire.HeaderProtocol, fmt.Sprint(min(wire.ProtocolVersion, g.Protocol)))
	if err := in.Accept(); err != nil {
		t.notices.Warn(g.From, "a stream from a peer broke", "error", err)
		return
	}
	t.welcome(in, g)
	defer t.farewell(in)
	for _, ctx := range []context.Context{r.ctx, req.Context()} {
		stop := context.AfterFunc(ctx, in.Stop)
		defer stop()
	}
	if err := in.Serve(); err != nil && !errors.Is(err, inbound.ErrStopped) {
		t.metrics.ReceivedFailures.WithLabelValues(identity.Format(g.From)).Inc()
		t.notices.Warn(g.From, "a stream from a peer broke", "error", err)
	}
}

// welcome makes in the stream of its peer. The peer is there: if this member waits to try it again, it need not.
func (t *Transport) welcome(in *inbound.Stream, g wire.Greeting) {
	t.mu.Lock()
	older := t.mu.inbound[g.From]
	t.mu.inbound[g.From] = in
	removed := t.mu.known.Unwelcome(in.From, in.Incarnation)
	t.mu.Unlock()
	if removed { // since it was let in
		in.Stop()
		return
	}
	if older != nil {
		older.Stop()
	}
	t.welcomeGuest(g.From, g.URLs)
	if l := (*t.links.Load())[g.From]; l != nil {
		l.Bring(g.URLs)
	}
	t.log.Info("a peer has connected", "peer", identity.Format(g.From), "version", g.Server)
}

func (t *Transport) farewell(in *inbound.Stream) {
	t.mu.Lock()
	current := t.mu.inbound[in.From] == in
	if current {
		delete(t.mu.inbound, in.From)
	}
	t.mu.Unlock()
	if current {
		t.dismissGuest(in.From)
	}
}
