package auditlog

import (
	"context"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3electionpb"
	"github.com/quoratedb/quorate/services/api/internal/etcderr"
)

// Stream makes the lines of one stream: one for each watch that is created, another one if it ends because the right to it is gone, one for
// the request of a stream that is asked for once, and one for a stream that is refused, keep-alives above all. A nil Stream makes none.
type Stream struct {
	auditor *Auditor
	ctx     context.Context
	method  string

	mu struct {
		sync.Mutex
		// whole is the line of the stream, until it is written; pending are watches that are not answered yet, in order.
		whole   *Entry
		pending []watch
		// open are the watches that were created and have not ended, by their ids.
		open map[int64]watch
	}
}

// watch is one of a stream.
type watch struct {
	entry *Entry // until it is answered; nil for one without a line
	of    span
	// user has asked for it, and proof is how they have shown that: a token may have ended by the time the watch does.
	user, proof string
}

// BeginStream prepares the line that a refusal of the stream would have. Room is kept for it when it is refused, and nothing was done: a
// stream may last, and anybody may have many of them, who has not shown who they are.
func (a *Auditor) BeginStream(ctx context.Context, method string) *Stream {
	if a == nil || !hasLines(method) {
		return nil
	}
	s := &Stream{auditor: a, ctx: ctx, method: method}
	name, proof := a.names.Of(ctx)
	s.mu.whole = a.prepare(ctx, &head{User: name, Proof: proof, Peer: cut(auth.PeerOf(ctx)), Method: method[1:]}, nil, object{})
	s.mu.open = make(map[int64]watch)
	return s
}

// Received is told of each message that the client has sent, before anything is done about it. The error is ready for the client.
func (s *Stream) Received(message any) error {
	if s == nil {
		return nil
	}
	switch r := message.(type) {
	case *etcdserverpb.WatchRequest:
		create := r.GetCreateRequest()
		if create == nil {
			return nil
		}
		return s.creates(create)
	case *etcdserverpb.LeaseKeepAliveRequest:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.mu.whole != nil {
			s.mu.whole.of(r.GetID())
		}
		return nil
	}
	entry, err := s.auditor.Begin(s.ctx, s.method, message)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.whole.Release()
	s.mu.whole = entry
	return nil
}

// creates keeps room for the line of a watch.
func (s *Stream) creates(r *etcdserverpb.WatchCreateRequest) (err error) {
	w := watch{of: spansOf(r)[0]}
	w.user, w.proof = s.auditor.names.Of(s.ctx)
	if w.entry, err = s.auditor.begin(s.ctx, s.headOf(w), []span{w.of}, object{}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.pending = append(s.mu.pending, w)
	return nil
}

func (s *Stream) headOf(w watch) *head {
	return &head{User: w.user, Proof: w.proof, Peer: cut(auth.PeerOf(s.ctx)), Method: s.method[1:]}
}

// Sending is told of each message before the client gets it: what it answers is written first. The error is ready for the client.
func (s *Stream) Sending(message any) error {
	if s == nil {
		return nil
	}
	switch r := message.(type) {
	case *etcdserverpb.WatchResponse:
		return s.answers(r)
	case *etcdserverpb.RangeStreamResponse:
		return written(s.take().Finish(r.GetRangeResponse(), nil))
	case *etcdserverpb.SnapshotResponse:
		return written(s.take().Finish(r, nil))
	case *v3electionpb.LeaderResponse:
		return written(s.take().Finish(r, nil))
	}
	return nil
}

// written passes on what was not written: other errors are the line's, not the stream's.
func written(err error) error {
	if err == errNotWritten {
		return err
	}
	return nil
}

// answers writes the line of a watch that is created, refused, or over because of rights.
func (s *Stream) answers(r *etcdserverpb.WatchResponse) error {
	switch {
	case r.GetCreated():
		w := s.next()
		var refused error
		if r.GetCanceled() {
			if refused = etcderr.RefusedFor(r.GetCancelReason()); refused == nil {
				refused = status.Error(codes.InvalidArgument, r.GetCancelReason())
			}
		}
		err := written(w.entry.Finish(r, refused))
		if w.entry = nil; refused == nil && err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.mu.open[r.GetWatchId()] = w
		}
		return err
	case r.GetCanceled():
		s.mu.Lock()
		w, known := s.mu.open[r.GetWatchId()]
		delete(s.mu.open, r.GetWatchId())
		s.mu.Unlock()
		reason := etcderr.RefusedFor(r.GetCancelReason())
		if !known || reason == nil {
			return nil
		}
		return s.ended(w, reason)
	}
	return nil
}

// ended writes that the right to a watch is gone. Where there is no room for that its stream ends, and what is left on it.
func (s *Stream) ended(w watch, reason error) error {
	entry, err := s.auditor.begin(s.ctx, s.headOf(w), []span{w.of}, object{})
	if err != nil {
		return err
	}
	if entry.finish(outcome{code: status.Code(reason).String(), ended: true}) != nil {
		return errNotWritten
	}
	return nil
}

// next takes the oldest watch that is not answered yet.
func (s *Stream) next() (w watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.pending) > 0 {
		w, s.mu.pending = s.mu.pending[0], s.mu.pending[1:]
	}
	return w
}

func (s *Stream) take() *Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := s.mu.whole
	s.mu.whole = nil
	return entry
}

// End is told how the stream ends, and returns how it does.
func (s *Stream) End(err error) error {
	if s == nil {
		return err
	}
	s.mu.Lock()
	pending := s.mu.pending
	s.mu.pending = nil
	s.mu.Unlock()
	for _, w := range pending {
		_ = w.entry.Finish(nil, err)
	}
	whole := s.take()
	if whole == nil {
		return err
	}
	if !etcderr.Refused(err) && !s.asksOnce() {
		whole.Release()
		return err
	}
	if whole.reserved == 0 { // no request has come
		if noRoom := whole.keepRoom(context.WithoutCancel(s.ctx), false); noRoom != nil {
			return noRoom
		}
	}
	return whole.Finish(nil, err)
}

// asksOnce tells streams with one request and many answers.
func (s *Stream) asksOnce() bool {
	switch s.method {
	case etcdserverpb.KV_RangeStream_FullMethodName, etcdserverpb.Maintenance_Snapshot_FullMethodName, "/v3electionpb.Election/Observe":
		return true
	}
	return false
}
