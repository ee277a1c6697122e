// Package inbound takes the messages of one other member from its stream. It decides neither who is let in nor what becomes of a
// message.
package inbound

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

const (
	// readBytes is the most that is read at once: net/http's decoder of chunks returns no less than it is asked for, and
	// between reads the sender gets its signs of life. A link needs to carry this much within an election timeout.
	readBytes = 32 << 10
	// progressPerSilence is how many times within the longest silence a receiver gives a sign of life by itself while it is
	// reading a long frame.
	progressPerSilence = 8
)

// Owner is the member that a stream leads to.
type Owner interface {
	// Step takes a message. It may wait, and the stream with it. An error says that the message cannot be true.
	Step(m *raftpb.Message) error
	// Consider takes the offer of a snapshot.
	Consider(from uint64, offer []byte) error
	// IsMember tells whether there is such a member.
	IsMember(id uint64) bool
}

// Stream is one from a peer, owned by the goroutine that serves the request.
type Stream struct {
	// From is the peer, Incarnation what it said of its data, Since when it came.
	From, Incarnation uint64
	Since             time.Time

	owner   Owner
	self    uint64
	control *http.ResponseController
	w       http.ResponseWriter
	body    io.Reader
	silence time.Duration
	bytes   prometheus.Counter

	answer   wire.FrameWriter
	stopping atomic.Bool
	renewed  time.Time // when the deadlines were last put off and a sign of life was given
}

// ErrStopped ends a stream in whose place a newer one of the same peer has come, or whose listener closes.
var ErrStopped = errors.New("the stream was stopped")

// New returns the stream of the member that greets with g to member self. It may be silent for silence; what comes is counted in
// bytes.
func New(owner Owner, self uint64, g wire.Greeting, w http.ResponseWriter, body io.Reader, silence time.Duration, bytes prometheus.Counter) *Stream {
	return &Stream{
		From: g.From, Incarnation: g.Incarnation, Since: time.Now(),
		owner: owner, self: self, control: http.NewResponseController(w), w: w, body: body, silence: silence, bytes: bytes,
	}
}

// Stop ends the stream from outside: its next read fails.
func (in *Stream) Stop() {
	in.stopping.Store(true)
	_ = in.control.SetReadDeadline(time.Unix(1, 0)) // of a connection that broke by itself, it fails
}

// Accept answers that the stream is welcome, while its body goes on.
func (in *Stream) Accept() error {
	if err := in.renew(); err != nil {
		return err
	}
	in.w.WriteHeader(http.StatusOK)
	return in.control.Flush()
}

// Serve handles frames until the stream ends; nil when the peer ended it.
func (in *Stream) Serve() error {
	frames := wire.FrameReader{Source: in}
	for {
		kind, payload, err := frames.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case wire.IsTimeout(err):
			if in.stopping.Load() {
				return ErrStopped
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
func (in *Stream) handle(kind wire.FrameKind, payload []byte) error {
	switch kind {
	case wire.FrameMessages:
		return wire.EachMessage(payload, in.step)
	case wire.FramePing:
		return in.send(wire.FrameAlive, payload)
	case wire.FrameOffer:
		return in.owner.Consider(in.From, payload)
	}
	return nil
}

// step passes on what another member may say. A message that pretends to be the member's own storage, is for another, or
// is said in the name of another would corrupt raft's state.
func (in *Stream) step(m *raftpb.Message) error {
	local := raft.IsLocalMsg(m.GetType()) || raft.IsLocalMsgTarget(m.GetFrom())
	if local || m.GetTo() != in.self || m.GetType() == raftpb.MsgSnap || !in.speaksFor(m) {
		return fmt.Errorf("%w: %s from %x to %x on the stream of %x", wire.ErrBadFrame, m.GetType(), m.GetFrom(), m.GetTo(), in.From)
	}
	if err := in.owner.Step(m); err != nil {
		return fmt.Errorf("%w: %w", wire.ErrBadFrame, err)
	}
	return nil
}

// speaksFor tells whether the stream's peer may send what m says it is from. Followers pass on what other members ask of a
// leader, under those members' ids, and the id in a request to transfer leadership is that of whom it goes to.
func (in *Stream) speaksFor(m *raftpb.Message) bool {
	if m.GetFrom() == in.From {
		return true
	}
	switch m.GetType() {
	case raftpb.MsgProp, raftpb.MsgReadIndex, raftpb.MsgTransferLeader:
		return in.owner.IsMember(m.GetFrom())
	default:
		return false
	}
}

// Read reads the body. While bytes come in, the stream lives, however long its frames are, and the sender is told so.
func (in *Stream) Read(p []byte) (int, error) {
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
func (in *Stream) renew() error {
	in.renewed = time.Now()
	deadline := in.renewed.Add(in.silence)
	err := errors.Join(in.control.SetReadDeadline(deadline), in.control.SetWriteDeadline(deadline))
	if in.stopping.Load() {
		return ErrStopped // and its deadline may just have been put off
	}
	return err
}

// send writes a frame of the answer.
func (in *Stream) send(kind wire.FrameKind, payload []byte) error {
	in.answer.Reset()
	if _, err := in.w.Write(in.answer.Frame(kind, payload)); err != nil {
		return err
	}
	return in.control.Flush()
}
