package direct

import (
	"context"
	"io"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/services/api/internal/wire"
)

// stream is the client's end. The channels have no room: each end waits for the other.
type stream struct {
	ctx    context.Context
	cancel context.CancelFunc

	requests  chan any
	noMore    chan struct{} // closed when the client has no more requests
	closeSend sync.Once
	answers   chan any

	done chan struct{} // closed when the method has returned
	err  error         // what it returned, set then
}

var _ grpc.ClientStream = (*stream)(nil)

func newStream(ctx context.Context) *stream {
	s := &stream{requests: make(chan any), noMore: make(chan struct{}), answers: make(chan any), done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

func (s *stream) end(err error) {
	s.err = err
	s.cancel()
	close(s.done)
}

func (s *stream) failure() error {
	if s.err == nil {
		return io.EOF
	}
	return s.err
}

// Context implements grpc.ClientStream.
func (s *stream) Context() context.Context { return s.ctx }

// Header implements grpc.ClientStream: there is none.
func (s *stream) Header() (metadata.MD, error) { return nil, nil }

// Trailer implements grpc.ClientStream: there is none.
func (s *stream) Trailer() metadata.MD { return nil }

// CloseSend implements grpc.ClientStream.
func (s *stream) CloseSend() error {
	s.closeSend.Do(func() { close(s.noMore) })
	return nil
}

// SendMsg implements grpc.ClientStream.
func (s *stream) SendMsg(message any) error {
	select {
	case s.requests <- cloned(message):
		return nil
	case <-s.done:
		return io.EOF // RecvMsg says why
	case <-s.ctx.Done():
		return status.FromContextError(s.ctx.Err()).Err()
	}
}

// TakesEncoded is a message that reads for itself what was sent encoded, and no more of it than it needs. shared follows head; both are others' too, and
// must not be changed or kept.
type TakesEncoded interface {
	TakeEncoded(head, shared []byte) error
}

// RecvMsg implements grpc.ClientStream. It fails once the method has returned, also if the context has ended before.
func (s *stream) RecvMsg(message any) error {
	select {
	case answer := <-s.answers:
		if encoded, ok := answer.(*wire.Encoded); ok {
			if reader, ok := message.(TakesEncoded); ok {
				return reader.TakeEncoded(encoded.Head, encoded.Shared)
			}
			return proto.Unmarshal(slices.Concat(encoded.Head, encoded.Shared), message.(proto.Message))
		}
		return copyTo(message, answer)
	case <-s.done:
		return s.failure()
	}
}

// cloned is a message that its sender may change again. One that is encoded already does not change.
func cloned(message any) any {
	if m, ok := message.(proto.Message); ok {
		return proto.Clone(m)
	}
	return message
}

// server is the method's end of a stream.
type server struct{ stream *stream }

var _ grpc.ServerStream = server{}

// Context implements grpc.ServerStream.
func (s server) Context() context.Context { return s.stream.ctx }

// SetHeader implements grpc.ServerStream: nobody reads it.
func (s server) SetHeader(metadata.MD) error { return nil }

// SendHeader implements grpc.ServerStream: nobody reads it.
func (s server) SendHeader(metadata.MD) error { return nil }

// SetTrailer implements grpc.ServerStream: nobody reads it.
func (s server) SetTrailer(metadata.MD) {}

// SendMsg implements grpc.ServerStream.
func (s server) SendMsg(message any) error {
	select {
	case s.stream.answers <- cloned(message):
		return nil
	case <-s.stream.ctx.Done():
		return status.FromContextError(s.stream.ctx.Err()).Err()
	}
}

// RecvMsg implements grpc.ServerStream.
func (s server) RecvMsg(message any) error {
	select {
	case request := <-s.stream.requests:
		return copyTo(message, request)
	case <-s.stream.noMore:
		return io.EOF
	case <-s.stream.ctx.Done():
		return status.FromContextError(s.stream.ctx.Err()).Err()
	}
}
