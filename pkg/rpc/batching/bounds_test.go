package batching

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/validation"
)

// answers makes a method that answers with what a function returns.
func answers(call func(context.Context) (proto.Message, error)) Method {
	return func([]byte) (Action, error) { return call, nil }
}

// Goal: calls that are given up before they are sent leave nothing behind ("303 MiB kept after 300 abandoned calls"). Method: give
// up many while the other end takes nothing.
func TestAbandonedCallsFreeTheirBytes(t *testing.T) {
	conn := NewConn(newPipe())
	_, err := conn.Start(t.Context(), Change, "Echo", &consensusv1.HistoryRequest{FromRevision: 1})
	require.NoError(t, err)
	big := &consensusv1.HistoryRequest{FromRevision: 1, Key: make([]byte, 1<<16)}
	for range 300 {
		pending, err := conn.Start(t.Context(), Change, "Echo", big)
		require.NoError(t, err)
		pending.Abandon()
		size := 0
		for _, call := range conn.mu.queue {
			size += len(call.GetRequest())
		}
		require.Less(t, size, 1<<10)
		require.LessOrEqual(t, len(conn.mu.queue), 3)
	}
	require.Len(t, conn.take(), 1, "the one that was not given up")
	require.Zero(t, conn.mu.dropped)
}

// Goal: one call too many is refused alone, and the others go on. Method: more calls that were given up and do not end than a
// stream may have under way.
func TestOneCallTooManyIsRefusedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		conn := connectPipe(t, newPipe(), Methods{
			"slow": answers(func(context.Context) (proto.Message, error) { <-block; return &consensusv1.HistoryResponse{}, nil }),
			"wait": answers(func(ctx context.Context) (proto.Message, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}),
		})
		ctx, leave := context.WithCancel(t.Context())
		others := make(chan error, 1)
		go func() {
			others <- conn.Call(ctx, Look, "wait", &consensusv1.HistoryRequest{}, &consensusv1.HistoryResponse{})
		}()
		synctest.Wait()
		for sent := 0; sent < servedMax; {
			var some []*Pending
			for range min(changesMax, servedMax-sent) {
				pending, err := conn.Start(t.Context(), Change, "slow", &consensusv1.HistoryRequest{})
				require.NoError(t, err)
				some = append(some, pending)
			}
			synctest.Wait() // they are under way
			for _, pending := range some {
				pending.Abandon()
			}
			sent += len(some)
		}
		err := conn.Call(t.Context(), Change, "slow", &consensusv1.HistoryRequest{}, &consensusv1.HistoryResponse{})
		require.ErrorIs(t, err, errdefs.ErrTooManyRequests)
		require.Empty(t, others, "another call goes on")
		close(block)
		leave()
		require.ErrorIs(t, <-others, context.Canceled)
		require.NoError(t, conn.Call(t.Context(), Change, "slow", &consensusv1.HistoryRequest{}, &consensusv1.HistoryResponse{}))
	})
}

// noReader is a stream whose other end calls on and on, and takes no answer until it is told to.
type noReader struct {
	read atomic.Int64
	take chan struct{}
	stop chan struct{}
}

func (s *noReader) Receive() ([]*batchv1.Call, error) {
	select {
	case <-s.stop:
		return nil, io.EOF
	default:
	}
	return []*batchv1.Call{{Id: uint64(s.read.Add(1)), Method: "read"}}, nil
}

func (s *noReader) Send(answers []*batchv1.Answer) error {
	if len(answers) > 0 {
		<-s.take
	}
	return nil
}

func (s *noReader) Changed() <-chan struct{} { return nil }

// Goal: who takes no answers cannot make more and more calls. Method: calls that are answered at once, and none of whose answers
// is taken; then as many bytes as may wait.
func TestUntakenAnswersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := &noReader{take: make(chan struct{}), stop: make(chan struct{})}
		served := make(chan error, 1)
		go func() {
			served <- Methods{}.Serve(t.Context(), stream, func() bool { return true }, nil)
		}()
		synctest.Wait()
		// The first message of answers is on its way, for as long as nobody takes it.
		require.LessOrEqual(t, stream.read.Load(), int64(2*untakenMax), "it is not read on")
		require.GreaterOrEqual(t, stream.read.Load(), int64(untakenMax))
		close(stream.stop)
		close(stream.take)
		require.NoError(t, <-served)
	})
	var waits untaken
	large := make([]byte, 1<<20)
	for range untakenBytesMax >> 20 {
		require.False(t, waits.full())
		waits.add(&batchv1.Answer{Response: large}, true)
	}
	require.True(t, waits.full())
}

// Goal: a panic in a call ends that call and nothing else, and is told of. Method: one call that panics beside one that does not.
func TestPanicEndsItsCallAlone(t *testing.T) {
	p, told := newPipe(), make(chan string, 1)
	methods := Methods{
		"Echo": Unary(validation.Check, echo),
		"bad":  answers(func(context.Context) (proto.Message, error) { panic("index out of range") }),
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- methods.Serve(ctx, serverEnd{p}, func() bool { p.Close(); return true }, func(method string, cause any, stack []byte) {
			told <- method
			require.Contains(t, string(stack), "TestPanicEndsItsCallAlone")
		})
	}()
	conn := NewConn(p)
	ended := make(chan error, 1)
	go func() { ended <- conn.Run(ctx) }()
	err := conn.Call(t.Context(), Look, "bad", &consensusv1.HistoryRequest{FromRevision: 1}, &consensusv1.HistoryResponse{})
	require.ErrorContains(t, err, "bad panicked: index out of range")
	require.Equal(t, "bad", <-told)
	got, err := ask(t.Context(), conn, "Echo", 7)
	require.NoError(t, err)
	require.EqualValues(t, 7, got)
	cancel()
	<-served
	<-ended
}

// Goal: reads and keep-alives that are not answered leave room for changes. Method: ask for more of them than all windows have
// places, until one has to wait for its place, then make a change.
func TestLooksLeaveRoomForChanges(t *testing.T) {
	conn := connectPipe(t, newPipe(), Methods{"Echo": Unary(validation.Check, echo), "wait": answers(func(ctx context.Context) (proto.Message, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})})
	ctx, cancel := context.WithCancel(t.Context())
	var looking sync.WaitGroup
	looking.Go(func() {
		for range callsMax + 1 {
			if _, err := conn.Start(ctx, Look, "wait", &consensusv1.HistoryRequest{}); err != nil {
				return
			}
		}
	})
	defer looking.Wait()
	defer cancel()
	window := conn.windows[Look]
	require.Eventually(t, func() bool { return len(window) == cap(window) }, time.Minute, time.Millisecond)
	bounded, end := context.WithTimeout(ctx, 10*time.Second)
	defer end()
	got, err := ask(bounded, conn, "Echo", 7)
	require.NoError(t, err)
	require.EqualValues(t, 7, got)
}

// Goal: a large answer does not hold up those behind it, and comes whole. Method: one of many parts, then small ones.
func TestLargeAnswersTravelInParts(t *testing.T) {
	var waits untaken
	large := make([]byte, 10*partBytesMax+1)
	for i := range large {
		large[i] = byte(i % 251)
	}
	waits.add(&batchv1.Answer{Id: 1, Response: large}, true)
	waits.add(&batchv1.Answer{Id: 2, Response: []byte("small")}, true)
	waits.add(&batchv1.Answer{Id: 3, Response: large}, true)
	waits.add(&batchv1.Answer{Id: 4, Response: make([]byte, 2*partBytesMax)}, false)

	conn := NewConn(newPipe())
	waiting := map[uint64]*waiter{}
	for id := range uint64(4) {
		waiting[id+1] = &waiter{done: make(chan outcome, 1)}
		conn.mu.waiting[id+1] = waiting[id+1]
	}
	first := waits.take()
	require.Len(t, first, 3)
	messages := 0
	for batch := first; len(batch) > 0; batch = waits.take() {
		messages++
		for _, answer := range batch {
			conn.answeredLocked(answer)
		}
	}
	require.Equal(t, 2*11, messages)
	require.Zero(t, waits.bytes)
	require.Equal(t, large, (<-waiting[1].done).answer.GetResponse())
	require.Equal(t, []byte("small"), (<-waiting[2].done).answer.GetResponse())
	require.Equal(t, large, (<-waiting[3].done).answer.GetResponse())
	require.Len(t, (<-waiting[4].done).answer.GetResponse(), 2*partBytesMax)
}
