package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// inbound is a stream from a peer, owned by the goroutine that serves the request.
type inbound struct {
	t    *Transport
	r    *run
	from uint64
	// incarnation is what the peer said of its data.
	incarnation uint64
	control     *http.ResponseController
	w           http.ResponseWriter
	body        io.Reader
	silence     time.Duration
	since       time.Time
	bytes       prometheus.Counter

	answer   wire.FrameWriter
	stopping atomic.Bool
	renewed  time.Time // when the deadlines were last put off and a sign of life was given
}

// errStreamStopped ends a stream in whose place a newer one of the same peer has come, or whose listener closes.
var errStreamStopped = errors.New("the stream was stopped")

// stop ends the stream from outside: its next read fails.
func (in *inbound) stop() {
	in.stopping.Store(true)
	_ = in.control.SetReadDeadline(time.Unix(1, 0)) // of a connection that broke by itself, it fails
}

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
	g, refusal := t.admit(r, req, guestsToo)
	if refusal != nil {
		refusal.Write(w)
		return
	}
	in := &inbound{
		t: t, r: r, from: g.From, incarnation: g.Incarnation, w: w, body: req.Body, since: time.Now(),
		control: control, silence: t.cfg.silence(), bytes: t.metrics.ReceivedBytes.WithLabelValues(identity.Format(g.From)),
	}
	t.greeting(r, g.From).Write(w.Header())
	w.Header().Set(wire.HeaderProtocol, fmt.Sprint(min(wire.ProtocolVersion, g.Protocol)))
	if err := in.accept(); err != nil {
		t.notices.Warn(g.From, "a stream from a peer broke", "error", err)
		return
	}
	t.welcome(in, g)
	defer t.farewell(in)
	for _, ctx := range []context.Context{r.ctx, req.Context()} {
		stop := context.AfterFunc(ctx, in.stop)
		defer stop()
	}
	if err := in.serve(); err != nil && !errors.Is(err, errStreamStopped) {
		t.metrics.ReceivedFailures.WithLabelValues(identity.Format(g.From)).Inc()
		t.notices.Warn(g.From, "a stream from a peer broke", "error", err)
	}
}

// accept answers that the stream is welcome, while its body goes on.
func (in *inbound) accept() error {
	if err := in.renew(); err != nil {
		return err
	}
	in.w.WriteHeader(http.StatusOK)
	return in.control.Flush()
}

// welcome makes in the stream of its peer. The peer is there: if this member waits to try it again, it need not.
func (t *Transport) welcome(in *inbound, g wire.Greeting) {
	t.mu.Lock()
	older := t.mu.inbound[g.From]
	t.mu.inbound[g.From] = in
	removed := t.unwelcomeLocked(in)
	t.mu.Unlock()
	if removed { // since it was let in
		in.stop()
		return
	}
	if older != nil {
		older.stop()
	}
	t.welcomeGuest(g.From, g.URLs)
	if l := (*t.links.Load())[g.From]; l != nil {
		l.bring(g.URLs)
	}
	t.log.Info("a peer has connected", "peer", identity.Format(g.From), "version", g.Server)
}

func (t *Transport) farewell(in *inbound) {
	t.mu.Lock()
	current := t.mu.inbound[in.from] == in
	if current {
		delete(t.mu.inbound, in.from)
	}
	t.mu.Unlock()
	if current {
		t.dismissGuest(in.from)
	}
}

// serve handles frames until the stream ends; nil when the peer ended it.
func (in *inbound) serve() error {
	frames := wire.FrameReader{Source: in}
	for {
		kind, payload, err := frames.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case isTimeout(err):
			if in.stopping.Load() {
				return errStreamStopped
			}
			return fmt.Errorf("no sign of life for %s", in.silence)
		case err == nil:
			err = in.handle(kind, payload)
		}
		if errors.Is(err, wire.ErrBadFrame) {
			return errors.Join(err, in.send(wire.FrameRefusal, []byte(err.Error())))
		}
		if err != nil {
			return err
		}
	}
}

// handle takes one frame. Kinds that it does not know are of a newer version, and may be passed over by design.
func (in *inbound) handle(kind wire.FrameKind, payload []byte) error {
	switch kind {
	case wire.FrameMessages:
		return wire.EachMessage(payload, in.step)
	case wire.FramePing:
		return in.send(wire.FrameAlive, payload)
	case wire.FrameOffer:
		return in.r.taker.Consider(in.from, payload)
	}
	return nil
}

// step passes on what another member may say. A message that pretends to be the member's own storage, is for another, or
// is said in the name of another would corrupt raft's state.
func (in *inbound) step(m *raftpb.Message) error {
	local := raft.IsLocalMsg(m.GetType()) || raft.IsLocalMsgTarget(m.GetFrom())
	if local || m.GetTo() != in.r.self || m.GetType() == raftpb.MsgSnap || !in.speaksFor(m) {
		return fmt.Errorf("%w: %s from %x to %x on the stream of %x", wire.ErrBadFrame, m.GetType(), m.GetFrom(), m.GetTo(), in.from)
	}
	if err := in.r.receiver.Step(m); err != nil {
		return fmt.Errorf("%w: %w", wire.ErrBadFrame, err)
	}
	return nil
}

// speaksFor tells whether the stream's peer may send what m says it is from. Followers pass on what other members ask of a
// leader, under those members' ids, and the id in a request to transfer leadership is that of whom it goes to.
func (in *inbound) speaksFor(m *raftpb.Message) bool {
	if m.GetFrom() == in.from {
		return true
	}
	switch m.GetType() {
	case raftpb.MsgProp, raftpb.MsgReadIndex, raftpb.MsgTransferLeader:
		return in.t.isMember(m.GetFrom())
	default:
		return false
	}
}

// Read reads the body. While bytes come in, the stream lives, however long its frames are, and the sender is told so.
func (in *inbound) Read(p []byte) (int, error) {
	due := time.Since(in.renewed) > in.silence/progressPerSilence
	if due {
		if err := in.renew(); err != nil {
			return 0, err
		}
	}
	n, err := in.body.Read(p[:min(len(p), readBytes)])
	in.bytes.Add(float64(n))
	if due && n > 0 {
		if err := in.send(wire.FrameAlive, nil); err != nil {
			return n, err
		}
	}
	return n, err
}

// renew puts the deadlines off.
func (in *inbound) renew() error {
	in.renewed = time.Now()
	deadline := in.renewed.Add(in.silence)
	err := errors.Join(in.control.SetReadDeadline(deadline), in.control.SetWriteDeadline(deadline))
	if in.stopping.Load() {
		return errStreamStopped // and its deadline may just have been put off
	}
	return err
}

// send writes a frame of the answer.
func (in *inbound) send(kind wire.FrameKind, payload []byte) error {
	in.answer.Reset()
	if _, err := in.w.Write(in.answer.Frame(kind, payload)); err != nil {
		return err
	}
	return in.control.Flush()
}
