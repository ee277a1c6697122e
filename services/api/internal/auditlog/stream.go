package auditlog

import (
	"context"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/services/api/internal/etcderr"
)

// Stream makes the lines of one stream: one for each watch that is created, one for the request of a stream that is asked for once, and
// one for a stream that is refused, keep-alives above all. A nil Stream makes none.
type Stream struct {
	auditor *Auditor
	ctx     context.Context
	method  string

	mu struct {
		sync.Mutex
		// whole is the line of the stream, until it is written; pending are those of watches that are not answered yet, in order.
		whole   *Entry
		pending []*Entry
	}
}

// BeginStream keeps room for the line that a refusal of the stream would have.
func (a *Auditor) BeginStream(ctx context.Context, method string) (*Stream, error) {
	whole, err := a.Begin(ctx, method, nil)
	if err != nil || a == nil || !hasLines(method) {
		return nil, err
	}
	s := &Stream{auditor: a, ctx: ctx, method: method}
	s.mu.whole = whole
	return s, nil
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
		entry, err := s.auditor.Begin(s.ctx, s.method, create)
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mu.pending = append(s.mu.pending, entry)
		return nil
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

// Sending is told of each message before the client gets it: what it answers is written first. The error is ready for the client.
func (s *Stream) Sending(message any) error {
	if s == nil {
		return nil
	}
	switch r := message.(type) {
	case *etcdserverpb.WatchResponse:
		if !r.GetCreated() {
			return nil
		}
		var refused error
		if r.GetCanceled() {
			if refused = etcderr.RefusedFor(r.GetCancelReason()); refused == nil {
				refused = status.Error(codes.InvalidArgument, r.GetCancelReason())
			}
		}
		return written(s.next().Finish(r, refused))
	case *etcdserverpb.RangeStreamResponse:
		return written(s.take().Finish(r.GetRangeResponse(), nil))
	case *etcdserverpb.SnapshotResponse:
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

// next takes the line of the oldest watch that is not answered yet.
func (s *Stream) next() *Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.pending) == 0 {
		return nil
	}
	entry := s.mu.pending[0]
	s.mu.pending = s.mu.pending[1:]
	return entry
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
	for entry := s.next(); entry != nil; entry = s.next() {
		_ = entry.Finish(nil, err)
	}
	whole := s.take()
	if etcderr.Refused(err) || s.asksOnce() {
		return whole.Finish(nil, err)
	}
	whole.Release()
	return err
}

// asksOnce tells streams with one request and many answers.
func (s *Stream) asksOnce() bool {
	return s.method == etcdserverpb.KV_RangeStream_FullMethodName || s.method == etcdserverpb.Maintenance_Snapshot_FullMethodName
}
