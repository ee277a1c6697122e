package rpc

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/pkg/problem"
)

// Everything that a session can say must arrive as it was said, in order, both ways. One session with each kind of
// request and delivery.
func TestSession(t *testing.T) {
	f := newFake()
	s := serve(t, f).Open()
	defer s.Close()
	watch := &watchv1.Watch{Id: 5, Key: []byte("a"), RangeEnd: []byte("b"), StartRevision: 9, NoPut: true, PrevKv: true}
	require.NoError(t, s.Add(watch))
	require.True(t, proto.Equal(watch, (<-f.asked).(*watchv1.Watch)))
	s.Remove(5)
	require.Equal(t, "remove 5", <-f.asked)
	s.Progress(77)
	require.Equal(t, "progress 77", <-f.asked)

	event := &consensusv1.Event{
		Type: consensusv1.Event_DELETE, Kv: &consensusv1.KeyValue{Key: []byte("a"), ModRevision: 9},
	}
	for _, want := range []*delivery.Delivery{
		{ID: 5, Batch: &delivery.Batch{Events: []*consensusv1.Event{event, event}}, Revision: 9},
		{ID: 5, Revision: 12},
		{All: true, Revision: 77},
		{ID: 5, CompactedRevision: 40},
	} {
		f.deliveries <- want
		got, err := s.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, want.ID, got.ID)
		require.Equal(t, want.Revision, got.Revision)
		require.Equal(t, want.All, got.All)
		require.Equal(t, want.CompactedRevision, got.CompactedRevision)
		require.Equal(t, want.Batch == nil, got.Batch == nil)
		if want.Batch != nil {
			require.Len(t, got.Batch.Events, 2)
			require.True(t, proto.Equal(event, got.Batch.Events[1]))
		}
	}
}

// Next must end with its context and leave the session usable. Wait for nothing, then for something.
func TestNextEndsWithItsContext(t *testing.T) {
	f := newFake()
	s := serve(t, f).Open()
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := s.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, s.Add(&watchv1.Watch{Id: 1, StartRevision: 1}))
	<-f.asked
	f.deliveries <- &delivery.Delivery{ID: 1, Revision: 3}
	d, err := s.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(3), d.Revision)
}

// Closing must end the session on both sides and everything it runs, whether it was used or not, as often as it is
// called. Close sessions in different states, and look for goroutines of this package.
func TestCloseLeavesNothing(t *testing.T) {
	f := newFake()
	client := serve(t, f)
	unused := client.Open()
	unused.Close()
	unused.Close()
	_, err := unused.Next(t.Context())
	require.ErrorIs(t, err, problem.ErrStopped)
	require.ErrorIs(t, unused.Add(&watchv1.Watch{}), problem.ErrStopped)

	waiting, undelivered := client.Open(), client.Open()
	for _, s := range []delivery.Session{waiting, undelivered} {
		require.NoError(t, s.Add(&watchv1.Watch{Id: 1, StartRevision: 1}))
		<-f.asked
	}
	ended := make(chan error)
	go func() {
		_, err := waiting.Next(t.Context())
		ended <- err
	}()
	waiting.Close()
	require.ErrorIs(t, <-ended, problem.ErrStopped)
	f.deliveries <- &delivery.Delivery{ID: 1}
	undelivered.Close()
	requireNothingRuns(t, f)
}

// A service that stops, and one that refuses a watch, must end the session with their reasons and leave nothing. End
// sessions from the service's side.
func TestServiceEndsSession(t *testing.T) {
	f := newFake()
	client := serve(t, f)
	s := client.Open()
	require.NoError(t, s.Add(&watchv1.Watch{Id: 1, StartRevision: 1}))
	<-f.asked
	f.stop()
	_, err := s.Next(t.Context())
	require.ErrorIs(t, err, problem.ErrStopped)
	s.Close()

	f = newFake()
	f.refuse = fmt.Errorf("no more watches: %w", problem.ErrTooManyRequests)
	s = serve(t, f).Open()
	require.NoError(t, s.Add(&watchv1.Watch{Id: 1, StartRevision: 1}))
	_, err = s.Next(t.Context())
	require.ErrorIs(t, err, problem.ErrTooManyRequests)
	require.ErrorIs(t, s.Add(&watchv1.Watch{Id: 2, StartRevision: 1}), problem.ErrTooManyRequests)
	s.Close()
	requireNothingRuns(t, f)
}

// What breaks the rules in proto/ must be refused before the service sees it. A watch from revision 0.
func TestInvalidWatch(t *testing.T) {
	f := newFake()
	s := serve(t, f).Open()
	defer s.Close()
	require.NoError(t, s.Add(&watchv1.Watch{Id: 1}))
	_, err := s.Next(t.Context())
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), err)
	require.Empty(t, f.asked)
}

// A service that cannot be reached must fail the session, not hang it. Open one on a closed server.
func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	s := NewClient(server.Client(), server.URL).Open()
	defer s.Close()
	_ = s.Add(&watchv1.Watch{Id: 1, StartRevision: 1}) // it may fail already
	_, err := s.Next(t.Context())
	require.ErrorIs(t, err, problem.ErrLeaderChanged)
}

func serve(t *testing.T, s Service) Service {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(NewHandler(s))
	server := httptest.NewUnstartedServer(mux)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return NewClient(server.Client(), server.URL)
}

// requireNothingRuns waits until all of the fake's sessions are closed and no goroutine is in this package's product
// code.
func requireNothingRuns(t *testing.T, f *fake) {
	t.Helper()
	require.Eventually(t, func() bool {
		var stacks strings.Builder
		require.NoError(t, pprof.Lookup("goroutine").WriteTo(&stacks, 2))
		running := strings.Contains(stacks.String(), "watch/rpc/handler.go") || strings.Contains(stacks.String(), "watch/rpc/client.go")
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.mu.open == 0 && !running
	}, 10*time.Second, 10*time.Millisecond)
}

// fake opens sessions that report what they are asked and deliver what they are given.
type fake struct {
	asked      chan any
	deliveries chan *delivery.Delivery
	stopped    chan struct{}
	refuse     error
	mu         struct {
		sync.Mutex
		open int
	}
}

func newFake() *fake {
	return &fake{asked: make(chan any, 8), deliveries: make(chan *delivery.Delivery, 8), stopped: make(chan struct{})}
}

func (f *fake) stop() { close(f.stopped) }

func (f *fake) Open() delivery.Session {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.open++
	return &fakeSession{f: f}
}

type fakeSession struct{ f *fake }

func (s *fakeSession) Add(w *watchv1.Watch) error {
	if s.f.refuse != nil {
		return s.f.refuse
	}
	s.f.asked <- w
	return nil
}

func (s *fakeSession) Remove(id int64)         { s.f.asked <- fmt.Sprint("remove ", id) }
func (s *fakeSession) Progress(revision int64) { s.f.asked <- fmt.Sprint("progress ", revision) }

func (s *fakeSession) Next(ctx context.Context) (*delivery.Delivery, error) {
	select {
	case d := <-s.f.deliveries:
		return d, nil
	case <-s.f.stopped:
		return nil, problem.ErrStopped
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *fakeSession) Close() {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.f.mu.open--
}
