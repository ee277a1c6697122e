package mux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/edge"
	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
)

// servedMax bounds the calls of one stream that are under way: twice what a caller waits for, because it does not wait
// for the ends of those that it gave up.
const servedMax = 2 * callsMax

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

// Unary makes a Method of a service's own. Messages that break the rules in proto/ are refused as they are elsewhere.
func Unary[Req, Resp any, PReq message[Req], PResp message[Resp]](call func(context.Context, PReq) (PResp, error)) Method {
	return func(encoded []byte) (Action, error) {
		request := PReq(new(Req))
		if err := proto.Unmarshal(encoded, request); err != nil {
			return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("decode the request: %w", err))
		}
		if err := edge.Check(request); err != nil {
			return nil, err
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
	tasks   chan task     // to workers that are free
	workers int           // how many there are, for receive alone

	mu struct {
		sync.Mutex
		underWay map[uint64]context.CancelFunc
		answers  []*batchv1.Answer
	}
}

// Serve answers the calls of a stream, none of which waits for another, until the caller leaves (nil), ctx ends or the
// stream breaks. interrupt makes a pending Receive fail, and tells whether it could. All calls have ended when it returns.
func (m Methods) Serve(ctx context.Context, stream ServerStream, interrupt func() bool) error {
	s := &serving{methods: m, stream: stream, wake: make(chan struct{}, 1), tasks: make(chan task)}
	s.mu.underWay = map[uint64]context.CancelFunc{}
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
	ctx context.Context
	id  uint64
	act Action
}

// receive starts calls until the stream has no more.
func (s *serving) receive(ctx context.Context, running *sync.WaitGroup) error {
	for {
		calls, err := s.stream.Receive()
		if err != nil {
			return err
		}
		for _, call := range calls {
			if call.GetMethod() == "" {
				s.end(call.GetId())
				continue
			}
			of, err := s.begin(ctx, call)
			if err != nil {
				return err
			}
			act, err := s.methods.prepare(call)
			if err != nil {
				s.answer(call.GetId(), nil, err)
				continue
			}
			s.start(running, task{of, call.GetId(), act})
		}
	}
}

// begin registers a call and gives it its time.
func (s *serving) begin(ctx context.Context, call *batchv1.Call) (context.Context, error) {
	var cancel context.CancelFunc
	if left := call.GetTimeout(); left > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(left))
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.underWay[call.GetId()] != nil:
		cancel()
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("call %d is under way already", call.GetId()))
	case len(s.mu.underWay) >= servedMax:
		cancel()
		return nil, connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("more than %d calls are under way", servedMax))
	}
	s.mu.underWay[call.GetId()] = cancel
	return ctx, nil
}

// end gives up a call that nobody waits for.
func (s *serving) end(id uint64) {
	s.mu.Lock()
	cancel := s.mu.underWay[id]
	s.mu.Unlock()
	if cancel != nil {
		cancel()
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
	response, err := t.act(t.ctx)
	s.answer(t.id, response, err)
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
		answer.Failure = &batchv1.Failure{}
		answer.Failure.Reason, answer.Failure.Code, answer.Failure.Message = edge.Describe(err)
	}
	s.mu.Lock()
	cancel := s.mu.underWay[id]
	delete(s.mu.underWay, id)
	s.mu.answers = append(s.mu.answers, answer)
	s.mu.Unlock()
	cancel()
	wake(s.wake)
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
			batch := s.take()
			if len(batch) == 0 {
				break
			}
			if err := s.stream.Send(batch); err != nil {
				return err
			}
		}
	}
}

// take returns the answers of the next message.
func (s *serving) take() []*batchv1.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	size, taken := 0, 0
	for _, answer := range s.mu.answers {
		size += len(answer.GetResponse())
		if taken > 0 && size > batchBytesMax {
			break
		}
		taken++
	}
	batch := s.mu.answers[:taken:taken]
	if taken == len(s.mu.answers) {
		s.mu.answers = nil
	} else {
		s.mu.answers = s.mu.answers[taken:]
	}
	return batch
}
