package batching

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/validation"
)

// pipe is a stream in memory, both of its ends. It counts messages, and hold keeps calls from being sent.
type pipe struct {
	calls   chan []*batchv1.Call
	answers chan []*batchv1.Answer
	closed  chan struct{}
	once    sync.Once
	sent    atomic.Int64
	hold    chan struct{} // nil for none
}

func newPipe() *pipe {
	return &pipe{calls: make(chan []*batchv1.Call, 1), answers: make(chan []*batchv1.Answer, 1), closed: make(chan struct{})}
}

func (p *pipe) Send(calls []*batchv1.Call) error {
	if p.hold != nil {
		select {
		case <-p.hold:
		case <-p.closed:
			return io.ErrClosedPipe
		}
	}
	p.sent.Add(1)
	select {
	case p.calls <- calls:
		return nil
	case <-p.closed:
		return io.ErrClosedPipe
	}
}

func (p *pipe) Receive() ([]*batchv1.Answer, error) {
	select {
	case answers := <-p.answers:
		return answers, nil
	case <-p.closed:
		return nil, io.ErrUnexpectedEOF
	}
}

func (p *pipe) Close() { p.once.Do(func() { close(p.closed) }) }

// serverEnd is the service's end of a pipe.
type serverEnd struct{ *pipe }

func (e serverEnd) Receive() ([]*batchv1.Call, error) {
	select {
	case calls := <-e.calls:
		return calls, nil
	case <-e.closed:
		return nil, io.EOF
	}
}

func (e serverEnd) Send(answers []*batchv1.Answer) error {
	select {
	case e.answers <- answers:
		return nil
	case <-e.closed:
		return io.ErrClosedPipe
	}
}

func (e serverEnd) Changed() <-chan struct{} { return nil }

// connect runs both ends of a pipe for the length of a test.
func connectPipe(t *testing.T, p *pipe, methods Methods) *Conn {
	t.Helper()
	conn := NewConn(p)
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	running.Go(func() { _ = conn.Run(ctx) })
	running.Go(func() { _ = methods.Serve(ctx, serverEnd{p}, func() bool { p.Close(); return true }, nil) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return conn
}

func ask(ctx context.Context, c *Conn, method string, revision int64) (int64, error) {
	answer := &consensusv1.HistoryResponse{}
	err := c.Call(ctx, Change, method, &consensusv1.HistoryRequest{FromRevision: revision}, answer)
	return answer.GetThroughRevision(), err
}

func echo(_ context.Context, r *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error) {
	return &consensusv1.HistoryResponse{ThroughRevision: r.GetFromRevision()}, nil
}

// Goal: every call gets its own answer, and calls that wait together travel together. Method: hold the stream until
// many calls have been made, and count the messages.
func TestCallsShareMessages(t *testing.T) {
	p := newPipe()
	p.hold = make(chan struct{})
	conn := connectPipe(t, p, Methods{"Echo": Unary(validation.Check, echo)})
	const calls = 500
	var asking sync.WaitGroup
	for i := range int64(calls) {
		asking.Go(func() {
			got, err := ask(t.Context(), conn, "Echo", i+1)
			if err != nil || got != i+1 {
				t.Errorf("asked %d, got %d, %v", i+1, got, err)
			}
		})
	}
	for waiting := 0; waiting < calls; {
		conn.mu.Lock()
		waiting = len(conn.mu.waiting)
		conn.mu.Unlock()
		runtime.Gosched()
	}
	close(p.hold)
	asking.Wait()
	require.LessOrEqual(t, p.sent.Load(), int64(2), "messages for %d calls", calls)
	require.Empty(t, conn.windows[Change], "all places are free again")
}

// Goal: refusals keep their meaning, and what breaks the rules or does not exist is refused. Method: one call of each kind.
func TestFailures(t *testing.T) {
	conn := connectPipe(t, newPipe(), Methods{
		"Echo": Unary(validation.Check, echo),
		"Refuse": Unary(validation.Check, func(context.Context, *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error) {
			return nil, fmt.Errorf("below 7: %w", errdefs.ErrCompacted)
		}),
	})
	_, err := ask(t.Context(), conn, "Refuse", 1)
	require.ErrorIs(t, err, errdefs.ErrCompacted)
	require.ErrorContains(t, err, "below 7")
	_, err = ask(t.Context(), conn, "Echo", 0)
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), err)
	_, err = ask(t.Context(), conn, "Nonsense", 1)
	require.Equal(t, connect.CodeUnimplemented, connect.CodeOf(err), err)
}

// waitFor is a method that tells how its context ended.
func waitFor(began chan<- struct{}, ended chan<- error) Method {
	return Unary(validation.Check, func(ctx context.Context, _ *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error) {
		began <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
}

// Goal: the service learns the caller's deadline, and that nobody waits any more. Method: a call with a deadline, seen
// from the service, and one that is cancelled.
func TestDeadlineAndCancellation(t *testing.T) {
	began, ended := make(chan struct{}, 1), make(chan error, 1)
	deadlines := make(chan time.Duration, 1)
	conn := connectPipe(t, newPipe(), Methods{
		"Wait": waitFor(began, ended),
		"Left": Unary(validation.Check, func(ctx context.Context, r *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error) {
			deadline, _ := ctx.Deadline()
			deadlines <- time.Until(deadline)
			return echo(ctx, r)
		}),
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	_, err := ask(ctx, conn, "Left", 1)
	require.NoError(t, err)
	require.InDelta(t, time.Hour, <-deadlines, float64(time.Minute))
	cancel()

	ctx, cancel = context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := ask(ctx, conn, "Wait", 1)
		done <- err
	}()
	<-began
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.ErrorIs(t, <-ended, context.Canceled)
}

// Goal: what the service says when a call's time is over is what the caller hears, as far as it says more than that ("the
// text of a timeout is not the one that the member gave"); a service that says nothing is not waited for much longer.
// Method: a deadline, after which a service answers late, with various things, or never.
func TestLastWordIsTheServices(t *testing.T) {
	late := func(err error, by time.Duration) Method {
		return Unary(validation.Check, func(ctx context.Context, r *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error) {
			<-ctx.Done()
			<-time.After(by)
			return &consensusv1.HistoryResponse{ThroughRevision: r.GetFromRevision()}, err
		})
	}
	const limit, soon = time.Second, answerGrace / 2
	for name, c := range map[string]struct {
		method Method
		want   error
		took   time.Duration
	}{
		"the reason": {late(errdefs.ErrLeaderFailed, soon), errdefs.ErrLeaderFailed, limit + soon},
		"no reason":  {late(context.DeadlineExceeded, soon), errdefs.ErrTimeout, limit + soon},
		"the answer": {late(nil, soon), nil, limit + soon},
		"much later": {late(errdefs.ErrLeaderFailed, time.Hour), errdefs.ErrTimeout, limit + answerGrace},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := connectPipe(t, newPipe(), Methods{"Wait": c.method})
				ctx, cancel := context.WithTimeoutCause(t.Context(), limit, errdefs.ErrTimeout)
				defer cancel()
				began := time.Now()
				_, err := ask(ctx, conn, "Wait", 1)
				require.ErrorIs(t, err, c.want)
				require.NotErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, c.took, time.Since(began))
				require.Empty(t, conn.windows[Change])
			})
		})
	}
}

// Goal: a broken stream tells what was sent from what was not. Method: break it under a call that is being served, then
// make another.
func TestBrokenStream(t *testing.T) {
	p := newPipe()
	began, ended := make(chan struct{}, 1), make(chan error, 1)
	conn := connectPipe(t, p, Methods{"Wait": waitFor(began, ended)})
	sent := make(chan error, 1)
	go func() { _, err := ask(t.Context(), conn, "Wait", 1); sent <- err }()
	<-began
	p.Close()
	require.ErrorIs(t, <-sent, ErrLost)
	require.Error(t, <-ended)
	_, err := ask(t.Context(), conn, "Wait", 1)
	require.ErrorIs(t, err, ErrUnsent)
}

// Goal: a call that was given up before it was sent is not sent, and its place is free. Method: give one up while the
// stream is held, then let another through.
func TestAbandonedIsNotSent(t *testing.T) {
	p := newPipe()
	p.hold = make(chan struct{})
	served := make(chan int64, 2)
	conn := connectPipe(t, p, Methods{"Echo": Unary(validation.Check, func(ctx context.Context, r *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error) {
		served <- r.GetFromRevision()
		return echo(ctx, r)
	})})
	first := make(chan error, 1)
	go func() { _, err := ask(t.Context(), conn, "Echo", 1); first <- err }() // is being sent
	for taken := false; !taken; {
		conn.mu.Lock()
		taken = len(conn.mu.waiting) == 1 && len(conn.mu.queue) == 0
		conn.mu.Unlock()
		runtime.Gosched()
	}
	ctx, cancel := context.WithCancel(t.Context())
	pending, err := conn.Start(ctx, Change, "Echo", &consensusv1.HistoryRequest{FromRevision: 2})
	require.NoError(t, err)
	interrupt := make(chan struct{})
	close(interrupt)
	require.ErrorIs(t, pending.Wait(ctx, interrupt, &consensusv1.HistoryResponse{}), ErrInterrupted)
	cancel()
	require.ErrorIs(t, pending.Wait(ctx, nil, &consensusv1.HistoryResponse{}), context.Canceled)
	close(p.hold)
	require.NoError(t, <-first)
	_, err = ask(t.Context(), conn, "Echo", 3)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 3}, []int64{<-served, <-served})
	require.Empty(t, conn.windows[Change])
}

// Goal: large calls travel in messages of their own. Method: queue more bytes than a message may hold.
func TestLargeCallsTravelAlone(t *testing.T) {
	conn := NewConn(newPipe())
	big := &consensusv1.HistoryRequest{FromRevision: 1, Key: make([]byte, batchBytesMax*2/3)}
	for range 3 {
		_, err := conn.Start(t.Context(), Change, "Echo", big)
		require.NoError(t, err)
	}
	for range 3 {
		require.Len(t, conn.take(), 1)
	}
	require.Empty(t, conn.take())
}

// Goal: a full window makes callers wait, not fail. Method: fill it, and let one wait until its time is over.
func TestWindow(t *testing.T) {
	conn := NewConn(newPipe())
	for range cap(conn.windows[Change]) {
		conn.windows[Change] <- struct{}{}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	full := errors.New("no more patience")
	cancel(full)
	_, err := conn.Start(ctx, Change, "Echo", &consensusv1.HistoryRequest{})
	require.ErrorIs(t, err, full)
}

// Goal: the service ends a stream whose caller breaks the rules. Method: an id that is used twice at once.
func TestRepeatedID(t *testing.T) {
	p := newPipe()
	began, ended := make(chan struct{}, 1), make(chan error, 1)
	result := make(chan error, 1)
	go func() {
		result <- Methods{"Wait": waitFor(began, ended)}.Serve(t.Context(), serverEnd{p}, func() bool { return false }, nil)
	}()
	encoded, err := proto.Marshal(&consensusv1.HistoryRequest{FromRevision: 1})
	require.NoError(t, err)
	call := &batchv1.Call{Id: 7, Method: "Wait", Request: encoded}
	p.calls <- []*batchv1.Call{call, call}
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(<-result))
}

// Goal: calls do not wait for each other, however many there are, and workers serve again and again. Method: more calls
// than there are workers, none of which ends before all have begun; twice.
func TestMoreCallsThanWorkers(t *testing.T) {
	const calls = workersMax + 100
	began := make(chan struct{}, calls)
	var release chan struct{}
	conn := connectPipe(t, newPipe(), Methods{
		"Meet": Unary(validation.Check, func(ctx context.Context, r *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error) {
			began <- struct{}{}
			<-release
			return echo(ctx, r)
		}),
	})
	for range 2 {
		release = make(chan struct{})
		var asking sync.WaitGroup
		for i := range int64(calls) {
			asking.Go(func() {
				got, err := ask(t.Context(), conn, "Meet", i+1)
				if err != nil || got != i+1 {
					t.Errorf("asked %d, got %d, %v", i+1, got, err)
				}
			})
		}
		for range calls {
			<-began
		}
		close(release)
		asking.Wait()
	}
}
