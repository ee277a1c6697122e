package batching

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
	"github.com/quoratedb/quorate/pkg/tracing"
)

// Kind says in which window a call needs a place: each has its own, so that none fills another's.
type Kind int

const (
	// Change is for calls that change something.
	Change Kind = iota
	// Look is for calls that do not, or that may be made again: reads, and keep-alives.
	Look
	kinds
)

const (
	// changesMax is how many changes may be without an answer on one stream. It is above what a member lets wait to be
	// proposed, so that the member's own refusal, which clients know, comes first. looksMax is how many other calls may be:
	// they are answered soon, or not worth waiting for.
	changesMax = 20_000
	looksMax   = 10_000
	callsMax   = changesMax + looksMax
	// batchBytesMax ends a message: what is larger travels alone. It keeps a message from holding up those behind it.
	batchBytesMax = 1 << 20
	// answerGrace is how much longer than its deadline a call waits for its answer. The service has the same deadline, and
	// when that passes it may know why, which is worth more to the caller than that it has passed.
	answerGrace = 250 * time.Millisecond
)

var (
	// ErrUnsent is returned for a call that was not sent when the stream broke. It may be made elsewhere.
	ErrUnsent = errors.New("the call was not sent")
	// ErrLost is returned for a call that was sent on a stream that broke before the answer came. It may have taken effect.
	ErrLost = errors.New("the connection broke before the answer came")
	// ErrInterrupted is returned by Wait when the caller's interruption came before the answer. The call goes on.
	ErrInterrupted = errors.New("the wait was interrupted")
)

// Stream is the caller's end of a stream. Send and Receive are called by one goroutine each. Close ends both, and may be
// called at any time, more than once.
type Stream interface {
	Send([]*batchv1.Call) error
	Receive() ([]*batchv1.Answer, error)
	Close()
}

// Conn makes calls on a stream.
type Conn struct {
	stream  Stream
	windows [kinds]chan struct{}
	wake    chan struct{} // holds one

	mu struct {
		sync.Mutex
		lastID  uint64
		waiting map[uint64]*waiter
		queue   []*batchv1.Call
		// dropped is how many calls in the queue were given up.
		dropped int
		broken  error // set once the stream is
	}
}

// waiter is a call without an answer.
type waiter struct {
	call *batchv1.Call // nil once it is sent
	part []byte        // what has come of the answer
	done chan outcome  // capacity 1
}

type outcome struct {
	answer *batchv1.Answer
	err    error
}

// NewConn makes a Conn that owns a stream. Calls wait until Run.
func NewConn(stream Stream) *Conn {
	c := &Conn{stream: stream, wake: make(chan struct{}, 1)}
	c.windows = [kinds]chan struct{}{Change: make(chan struct{}, changesMax), Look: make(chan struct{}, looksMax)}
	c.mu.waiting = map[uint64]*waiter{}
	return c
}

// Run carries calls until ctx ends or the stream breaks, and returns why. Calls without an answer have failed then.
func (c *Conn) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.send(ctx) })
	group.Go(c.receive)
	group.Go(func() error {
		<-ctx.Done()
		c.stream.Close()
		return ctx.Err()
	})
	err := group.Wait()
	c.fail(err)
	return err
}

// Call makes a call and puts the answer into response. It fails with what the service returned (see package interceptor), with
// ErrUnsent or ErrLost, and with the cause of ctx's end; the service learns of that end too. A ctx that ends because of its
// deadline leaves the service a moment to say more than that.
func (c *Conn) Call(ctx context.Context, kind Kind, method string, request, response proto.Message) error {
	pending, err := c.Start(ctx, kind, method, request)
	if err != nil {
		return err
	}
	return pending.Wait(ctx, nil, response)
}

// Pending is a call that was started. It belongs to one goroutine, which waits for it or abandons it.
type Pending struct {
	conn   *Conn
	kind   Kind
	method string
	id     uint64
	waiter *waiter
}

// Start queues a call, once there is a place in the window.
func (c *Conn) Start(ctx context.Context, kind Kind, method string, request proto.Message) (*Pending, error) {
	encoded, err := proto.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("%s: encode the request: %w", method, err)
	}
	select {
	case c.windows[kind] <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: wait to be sent: %w", method, context.Cause(ctx))
	}
	w := &waiter{done: make(chan outcome, 1)}
	w.call = &batchv1.Call{Method: method, Timeout: timeLeft(ctx), Request: encoded, Parts: true, Trace: tracing.Carried(ctx)}
	id, err := c.enqueue(w)
	if err != nil {
		<-c.windows[kind]
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	return &Pending{conn: c, kind: kind, method: method, id: id, waiter: w}, nil
}

// Wait returns what Call does, or ErrInterrupted when interrupt is closed first: then, and only then, the call goes on,
// and Wait or Abandon must follow.
func (p *Pending) Wait(ctx context.Context, interrupt <-chan struct{}, response proto.Message) error {
	select {
	case o := <-p.waiter.done:
		<-p.conn.windows[p.kind]
		return p.finish(o, response)
	case <-interrupt:
		return ErrInterrupted
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		grace := time.NewTimer(answerGrace)
		defer grace.Stop()
		select {
		case o := <-p.waiter.done:
			<-p.conn.windows[p.kind]
			if err := p.finish(o, response); !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return p.ended(ctx)
		case <-grace.C:
		}
	}
	p.Abandon()
	return p.ended(ctx)
}

func (p *Pending) ended(ctx context.Context) error {
	return fmt.Errorf("%s: wait for the answer: %w", p.method, context.Cause(ctx))
}

func (p *Pending) finish(o outcome, response proto.Message) error {
	if o.err != nil {
		return fmt.Errorf("%s: %w", p.method, o.err)
	}
	if f := o.answer.GetFailure(); f != nil {
		return interceptor.Restore(f.GetReason(), f.GetCode(), f.GetMessage())
	}
	if err := proto.Unmarshal(o.answer.GetResponse(), response); err != nil {
		return fmt.Errorf("%s: decode the answer: %w", p.method, err)
	}
	return nil
}

// Abandon gives the call up: one that was not sent will not be, and the service is told that nobody waits.
func (p *Pending) Abandon() {
	p.conn.abandon(p.id)
	<-p.conn.windows[p.kind]
}

// timeLeft is what a call's deadline leaves, 0 for no deadline.
func timeLeft(ctx context.Context) int64 {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(int64(time.Until(deadline)), 1)
}

func (c *Conn) enqueue(w *waiter) (id uint64, err error) {
	c.mu.Lock()
	if err := c.mu.broken; err != nil {
		c.mu.Unlock()
		return 0, fmt.Errorf("%w: %w", ErrUnsent, err)
	}
	c.mu.lastID++
	id = c.mu.lastID
	w.call.Id = id
	c.mu.waiting[id] = w
	c.mu.queue = append(c.mu.queue, w.call)
	c.mu.Unlock()
	wake(c.wake)
	return id, nil
}

func (c *Conn) abandon(id uint64) {
	c.mu.Lock()
	w := c.mu.waiting[id]
	delete(c.mu.waiting, id)
	tell := w != nil && w.call == nil && c.mu.broken == nil
	switch {
	case tell:
		c.mu.queue = append(c.mu.queue, &batchv1.Call{Id: id})
	case w != nil && w.call != nil:
		c.dropLocked(w.call)
	}
	c.mu.Unlock()
	if tell {
		wake(c.wake)
	}
}

// dropLocked frees a call that will not be sent. Its place in the queue goes with those of others: looking for each would
// cost as much as there are.
func (c *Conn) dropLocked(call *batchv1.Call) {
	call.Request = nil
	c.mu.dropped++
	if 2*c.mu.dropped < len(c.mu.queue) {
		return
	}
	c.mu.queue = slices.DeleteFunc(c.mu.queue, c.givenUpLocked)
	c.mu.dropped = 0
}

// givenUpLocked tells whether nobody waits any more for a call that is in the queue. What tells of a call's end is none.
func (c *Conn) givenUpLocked(call *batchv1.Call) bool {
	return call.GetMethod() != "" && c.mu.waiting[call.GetId()] == nil
}

// send owns the sending side.
func (c *Conn) send(ctx context.Context) error {
	for {
		select {
		case <-c.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
		runtime.Gosched() // whoever is about to call may still come along
		for {
			batch := c.take()
			if len(batch) == 0 {
				break
			}
			if err := c.stream.Send(batch); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
	}
}

// take returns the calls of the next message.
func (c *Conn) take() []*batchv1.Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	var batch []*batchv1.Call
	size, taken := 0, 0
	for _, call := range c.mu.queue {
		size += len(call.GetRequest())
		if len(batch) > 0 && size > batchBytesMax {
			break
		}
		taken++
		if c.givenUpLocked(call) {
			c.mu.dropped--
			continue
		}
		if w := c.mu.waiting[call.GetId()]; w != nil {
			w.call = nil
		}
		batch = append(batch, call)
	}
	if taken == len(c.mu.queue) {
		c.mu.queue = nil
	} else {
		c.mu.queue = c.mu.queue[taken:]
	}
	return batch
}

// receive owns the receiving side.
func (c *Conn) receive() error {
	for {
		answers, err := c.stream.Receive()
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		c.mu.Lock()
		for _, answer := range answers {
			c.answeredLocked(answer)
		}
		c.mu.Unlock()
	}
}

// answeredLocked takes an answer, or a part of one, to whoever waits for it.
func (c *Conn) answeredLocked(answer *batchv1.Answer) {
	w := c.mu.waiting[answer.GetId()]
	switch {
	case w == nil:
	case answer.GetMore():
		w.part = append(w.part, answer.GetResponse()...)
	default:
		if w.part != nil {
			answer.Response = append(w.part, answer.GetResponse()...)
		}
		delete(c.mu.waiting, answer.GetId())
		w.done <- outcome{answer: answer}
	}
}

// fail ends all calls. The reason is in the text alone: a caller whose context goes on must not take the stream's end for
// its own.
func (c *Conn) fail(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.broken = errors.New(why.Error())
	for id, w := range c.mu.waiting {
		delete(c.mu.waiting, id)
		err := ErrUnsent
		if w.call == nil {
			err = ErrLost
		}
		w.done <- outcome{err: fmt.Errorf("%w: %w", err, c.mu.broken)}
	}
	c.mu.queue, c.mu.dropped = nil, 0
}

// wake leaves a wake-up in a channel that holds one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
