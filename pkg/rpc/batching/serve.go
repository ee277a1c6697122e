package batching

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
	"github.com/quoratedb/quorate/pkg/tracing"
)

// servedMax bounds the calls of one stream that are under way: twice what a caller waits for, because it does not wait
// for the ends of those that it gave up. One too many is refused.
const servedMax = 2 * callsMax

const (
	// untakenMax and untakenBytesMax bound the answers of one stream that wait to be sent: beyond, no more calls are read
	// until the caller has taken some. What is under way then still adds its answers.
	untakenMax      = callsMax
	untakenBytesMax = 64 << 20
	// partBytesMax is how much of a large answer is sent at once, with the answers that wait beside it.
	partBytesMax = 256 << 10
)

// workersMax bounds the goroutines of one stream that wait for the next call when they have made one, some kilobytes
// each: as many calls as are usually under way at once. Above it a goroutine makes one call and ends.
const workersMax = 1024

// Method takes a request apart and returns the call to make, or why there is none to make. It runs on the goroutine that
// reads the stream, the call beside it: decoding takes more stack than a new goroutine has, and growing that for each call
// costs more than the decoding.
type Method func(request []byte) (Action, error)

// Action makes a call.
type Action func(context.Context) (proto.Message, error)

// Methods are what a service offers, by name.
type Methods map[string]Method

// message is a pointer to a T that is a protobuf message.
type message[T any] interface {
	*T
	proto.Message
}

// Unary makes a Method of a service's own. Messages that break the rules are refused as they are by interceptor.HandlerOptions.
func Unary[Req, Resp any, PReq message[Req], PResp message[Resp]](
	rules interceptor.Rules, call func(context.Context, PReq) (PResp, error),
) Method {
	return func(encoded []byte) (Action, error) {
		request := PReq(new(Req))
		if err := proto.Unmarshal(encoded, request); err != nil {
			return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("decode the request: %w", err))
		}
		if rules != nil {
			if err := rules(request); err != nil {
				return nil, err
			}
		}
		return func(ctx context.Context) (proto.Message, error) { return call(ctx, request) }, nil
	}
}

// ServerStream is the service's end of a stream. Receive is called by one goroutine, and Send and Changed by another.
type ServerStream interface {
	Receive() ([]*batchv1.Call, error)
	// Send sends answers, of which there may be none. It is called once at the beginning and whenever Changed says so.
	Send([]*batchv1.Answer) error
	// Changed is closed when Send is to be called though there is no answer. It may be nil.
	Changed() <-chan struct{}
}

// serving is one stream on the service's side.
type serving struct {
	methods Methods
	stream  ServerStream
	wake    chan struct{} // holds one
	taken   chan struct{} // holds one: answers were taken
	tasks   chan task     // to workers that are free
	workers int           // how many there are, for receive alone
	// panicked is told of calls that panicked.
	panicked func(method string, cause any, stack []byte)

	mu struct {
		sync.Mutex
		underWay map[uint64]underWay
		untaken  untaken
	}
}

// underWay is a call that has no answer yet.
type underWay struct {
	cancel context.CancelFunc
	parts  bool // its answer may come in parts
}

// Serve answers the calls of a stream, none of which waits for another, until the caller leaves (nil), ctx ends or the
// stream breaks. interrupt makes a pending Receive fail, and tells whether it could. All calls have ended when it returns.
//
// A call that panics fails alone, and panicked, which may be nil, is told.
func (m Methods) Serve(ctx context.Context, stream ServerStream, interrupt func() bool, panicked func(method string, cause any, stack []byte)) error {
	s := &serving{
		methods: m, stream: stream, panicked: panicked,
		wake: make(chan struct{}, 1), taken: make(chan struct{}, 1), tasks: make(chan task),
	}
	s.mu.underWay = map[uint64]underWay{}
	ctx, cancel := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		cancel(s.send(ctx))
		interrupt()
	})
	err := s.receive(ctx, &running)
	close(s.tasks) // workers end with what they are at
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx) // that is why reading failed
	}
	cancel(err)
	running.Wait()
	return err
}

// task is a call to make.
type task struct {
	ctx    context.Context
	id     uint64
	method string
	trace  string // the caller's span
	act    Action
}

// receive starts calls until the stream has no more.
func (s *serving) receive(ctx context.Context, running *sync.WaitGroup) error {
	for {
		if err := s.awaitTaken(ctx); err != nil {
			return err
		}
		calls, err := s.stream.Receive()
		if err != nil {
			return err
		}
		for _, call := range calls {
			if call.GetMethod() == "" {
				s.end(call.GetId())
				continue
			}
			of, refused, err := s.begin(ctx, call)
			if err != nil {
				return err
			}
			if refused != nil {
				s.refuse(call.GetId(), refused)
				continue
			}
			act, err := s.methods.prepare(call)
			if err != nil {
				s.answer(call.GetId(), nil, err)
				continue
			}
			s.start(running, task{of, call.GetId(), call.GetMethod(), call.GetTrace(), act})
		}
	}
}

// awaitTaken waits until the caller has taken enough of the answers for more calls to be made.
func (s *serving) awaitTaken(ctx context.Context) error {
	for {
		s.mu.Lock()
		full := s.mu.untaken.full()
		s.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-s.taken:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// begin registers a call and gives it its time, or tells why it is refused; an error ends the stream.
func (s *serving) begin(ctx context.Context, call *batchv1.Call) (of context.Context, refused, err error) {
	var cancel context.CancelFunc
	if left := call.GetTimeout(); left > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(left))
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.underWay[call.GetId()].cancel != nil:
		cancel()
		return nil, nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("call %d is under way already", call.GetId()))
	case len(s.mu.underWay) >= servedMax:
		cancel()
		return nil, fmt.Errorf("more than %d calls of one node are under way: %w", servedMax, errdefs.ErrTooManyRequests), nil
	}
	s.mu.underWay[call.GetId()] = underWay{cancel: cancel, parts: call.GetParts()}
	return ctx, nil, nil
}

// refuse answers a call that was not begun.
func (s *serving) refuse(id uint64, why error) {
	s.mu.Lock()
	s.mu.untaken.add(failed(id, why), false)
	s.mu.Unlock()
	wake(s.wake)
}

// end gives up a call that nobody waits for.
func (s *serving) end(id uint64) {
	s.mu.Lock()
	call := s.mu.underWay[id]
	s.mu.Unlock()
	if call.cancel != nil {
		call.cancel()
	}
}

// start has a call made by a worker that is free, or by a goroutine that becomes one: a new goroutine's stack grows during
// the call, a worker's has grown already.
func (s *serving) start(running *sync.WaitGroup, first task) {
	select {
	case s.tasks <- first:
		return
	default:
	}
	stays := s.workers < workersMax
	if stays {
		s.workers++
	}
	running.Go(func() {
		s.do(first)
		if !stays {
			return
		}
		first = task{} // whoever waits keeps nothing of its last call
		for next := range s.tasks {
			s.do(next)
		}
	})
}

// do makes a call.
func (s *serving) do(t task) {
	response, err := s.act(t)
	s.answer(t.id, response, err)
}

// act makes a call whose panic is an error of its own: that of one request must not end all others.
func (s *serving) act(t task) (response proto.Message, err error) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		response, err = nil, connect.NewError(connect.CodeInternal, fmt.Errorf("%s panicked: %v", t.method, cause))
		if s.panicked != nil {
			s.panicked(t.method, cause, debug.Stack())
		}
	}()
	ctx, span := tracing.Continue(t.ctx, t.method, t.trace)
	response, err = t.act(ctx)
	tracing.End(span, err)
	return response, err
}

// prepare returns what makes a call.
func (m Methods) prepare(call *batchv1.Call) (Action, error) {
	method := m[call.GetMethod()]
	if method == nil {
		return nil, connect.NewError(connect.CodeUnimplemented, fmt.Errorf("there is no call %q", call.GetMethod()))
	}
	return method(call.GetRequest())
}

// answer ends a call and queues its answer.
func (s *serving) answer(id uint64, response proto.Message, err error) {
	answer := &batchv1.Answer{Id: id}
	if err == nil {
		answer.Response, err = proto.Marshal(response)
	}
	if err != nil {
		answer = failed(id, err)
	}
	s.mu.Lock()
	call := s.mu.underWay[id]
	delete(s.mu.underWay, id)
	s.mu.untaken.add(answer, call.parts)
	s.mu.Unlock()
	call.cancel()
	wake(s.wake)
}

// failed is the answer of a call that failed.
func failed(id uint64, err error) *batchv1.Answer {
	failure := &batchv1.Failure{}
	failure.Reason, failure.Code, failure.Message = interceptor.Describe(err)
	return &batchv1.Answer{Id: id, Failure: failure}
}

// send sends answers until ctx ends or the stream breaks.
func (s *serving) send(ctx context.Context) error {
	for {
		changed := s.stream.Changed()
		if err := s.stream.Send(nil); err != nil {
			return err
		}
		if err := s.sendAnswers(ctx, changed); err != nil {
			return err
		}
	}
}

// sendAnswers sends answers until changed is closed.
func (s *serving) sendAnswers(ctx context.Context, changed <-chan struct{}) error {
	for {
		select {
		case <-s.wake:
		case <-changed:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		runtime.Gosched() // what is about to be done may still come along
		// The end of the stream ends its calls, whose answers nobody may take any more: sending them could wait for ever.
		for ctx.Err() == nil {
			s.mu.Lock()
			batch := s.mu.untaken.take()
			s.mu.Unlock()
			if len(batch) == 0 {
				break
			}
			if err := s.stream.Send(batch); err != nil {
				return err
			}
			wake(s.taken)
		}
	}
}
