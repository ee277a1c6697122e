package batching

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
)

// ClientStream makes a Stream of a service's own messages.
type ClientStream[Req, Resp any] struct {
	// Open opens the stream, which ends with ctx.
	Open func(ctx context.Context) (*connect.BidiStreamForClientSimple[Req, Resp], error)
	// Wrap makes a message of calls, and Unwrap takes the answers out of one, with whatever else it tells.
	Wrap   func([]*batchv1.Call) *Req
	Unwrap func(*Resp) []*batchv1.Answer

	stream *connect.BidiStreamForClientSimple[Req, Resp]
	cancel context.CancelFunc
}

// Start opens the stream. It does not wait for the service.
func (s *ClientStream[Req, Resp]) Start(ctx context.Context) (err error) {
	ctx, s.cancel = context.WithCancel(ctx)
	if s.stream, err = s.Open(ctx); err == nil {
		err = s.stream.Send(nil) // else the request waits for the first call
	}
	if err != nil {
		s.cancel()
	}
	return err
}

// Send implements Stream.
func (s *ClientStream[Req, Resp]) Send(calls []*batchv1.Call) error {
	return s.stream.Send(s.Wrap(calls))
}

// Receive implements Stream.
func (s *ClientStream[Req, Resp]) Receive() ([]*batchv1.Answer, error) {
	response, err := s.stream.Receive()
	if err != nil {
		return nil, err
	}
	return s.Unwrap(response), nil
}

// Close implements Stream. It gives the stream up: closing it in order would wait for what is left of it. net/http notices
// the end of the context only once the request has ended.
func (s *ClientStream[Req, Resp]) Close() {
	s.cancel()
	_ = s.stream.CloseRequest() // it is over whatever this says
}

// Server serves streams of a service's own messages. Its handler must be interceptor.Interruptible.
type Server[Req, Resp any] struct {
	Methods Methods
	// Calls takes the calls out of a message.
	Calls func(*Req) []*batchv1.Call
	// Begin returns, for a new stream, what makes a message of answers, together with whatever the service has to tell
	// besides, and what says that there is something to tell.
	Begin func() (wrap func([]*batchv1.Answer) *Resp, changed func() <-chan struct{})
}

// Batch serves one stream.
func (s Server[Req, Resp]) Batch(ctx context.Context, stream *connect.BidiStream[Req, Resp]) error {
	served := &serverStream[Req, Resp]{stream: stream, calls: s.Calls}
	served.wrap, served.changed = s.Begin()
	return s.Methods.Serve(ctx, served, func() bool { return interceptor.Interrupt(ctx) }, func(method string, cause any, stack []byte) {
		// Where net/http tells of the panics of what it serves itself.
		if server, ok := ctx.Value(http.ServerContextKey).(*http.Server); ok && server.ErrorLog != nil {
			server.ErrorLog.Printf("call %s panicked: %v\n%s", method, cause, stack)
		}
	})
}

type serverStream[Req, Resp any] struct {
	stream  *connect.BidiStream[Req, Resp]
	calls   func(*Req) []*batchv1.Call
	wrap    func([]*batchv1.Answer) *Resp
	changed func() <-chan struct{}
}

func (s *serverStream[Req, Resp]) Receive() ([]*batchv1.Call, error) {
	request, err := s.stream.Receive()
	if err != nil {
		return nil, err
	}
	return s.calls(request), nil
}

func (s *serverStream[Req, Resp]) Send(answers []*batchv1.Answer) error {
	return s.stream.Send(s.wrap(answers))
}

func (s *serverStream[Req, Resp]) Changed() <-chan struct{} { return s.changed() }
