package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1/watchv1connect"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
	"github.com/quoratedb/quorate/pkg/rpc/validation"
)

// clientStream is an API node's end of a stream.
type clientStream = connect.BidiStreamForClientSimple[watchv1.WatchRequest, watchv1.WatchResponse]

// open serves f and opens a stream to it.
func open(t *testing.T, f *fake) (*clientStream, watchv1connect.WatchServiceClient) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(NewHandler(f, validation.Check))
	server := httptest.NewUnstartedServer(mux)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := watchv1connect.NewWatchServiceClient(server.Client(), server.URL, interceptor.ClientOptions()...)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	stream, err := client.Watch(ctx)
	require.NoError(t, err)
	require.NoError(t, stream.Send(&watchv1.WatchRequest{}))
	return stream, client
}

// Goal: everything that either side can say arrives as it was said, in order, and a stream that its client ends leaves
// no session. Method: one stream with each kind of request and response.
func TestStream(t *testing.T) {
	f := newFake()
	stream, _ := open(t, f)
	require.Equal(t, "position 0", <-f.asked)
	subscription := &watchv1.Subscription{Id: 5, Selection: &watchv1.Selection{Key: []byte("a"), RangeEnd: []byte("b"), NoPut: true, PrevKv: true}}
	require.NoError(t, stream.Send(&watchv1.WatchRequest{Leave: []int64{4}, Join: []*watchv1.Subscription{subscription}, PositionAt: 77}))
	for _, want := range []string{"leave 4", "join 5", "position 77"} {
		require.Equal(t, want, f.next(t))
	}
	require.True(t, proto.Equal(subscription, f.joined.Load()))
	for _, want := range []*watchv1.WatchResponse{
		{Deliveries: []*watchv1.Delivery{{Id: 5, Kind: watchv1.Delivery_KIND_JOINED, Revision: 8}}},
		{Deliveries: []*watchv1.Delivery{{Id: 5, Events: []byte("events"), Revision: 10, FirstRevision: 9, LastRevision: 10}}},
		{Position: &watchv1.Position{Revision: 12, Store: []byte("store")}},
	} {
		told := proto.CloneOf(want)
		if told.Position != nil {
			told.Position.Store = nil // the handler names it
		}
		f.responses <- told
		got, err := stream.Receive()
		require.NoError(t, err)
		if want.Position != nil {
			require.NotZero(t, got.Position.Node)
			want.Position.Node = got.Position.Node
		}
		require.True(t, proto.Equal(want, got))
	}
	require.NoError(t, stream.CloseRequest())
	_, err := stream.Receive()
	require.ErrorIs(t, err, io.EOF)
	<-f.closed
}

// Goal: what the service refuses, and its end, come with their reasons. Method: a refused subscription, a read that
// fails, a request against the rules, and a service that stops.
func TestRefusals(t *testing.T) {
	f := newFake()
	f.refuse = fmt.Errorf("no more: %w", errdefs.ErrTooManyRequests)
	stream, client := open(t, f)
	require.NoError(t, stream.Send(&watchv1.WatchRequest{Join: []*watchv1.Subscription{{Id: 1, Selection: &watchv1.Selection{}}}}))
	_, err := stream.Receive()
	require.ErrorIs(t, err, errdefs.ErrTooManyRequests)
	<-f.closed
	_, err = client.Read(t.Context(), &watchv1.ReadRequest{Selection: &watchv1.Selection{}, FromRevision: 1})
	require.ErrorIs(t, err, errdefs.ErrTooManyRequests)
	_, err = client.Read(t.Context(), &watchv1.ReadRequest{Selection: &watchv1.Selection{}})
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))

	f = newFake()
	stream, _ = open(t, f)
	close(f.stopped)
	_, err = stream.Receive()
	require.ErrorIs(t, err, errdefs.ErrStopped)
	<-f.closed
}

// Goal: a node that is not well tells no position, so that API nodes leave it. Method: ask it for one.
func TestNoPositionWhileUnwell(t *testing.T) {
	f := newFake()
	f.unwell.Store(true)
	stream, _ := open(t, f)
	require.NoError(t, stream.Send(&watchv1.WatchRequest{PositionAt: 7}))
	require.NoError(t, stream.Send(&watchv1.WatchRequest{Leave: []int64{3}}))
	require.Equal(t, "leave 3", <-f.asked)
	f.unwell.Store(false)
	require.Equal(t, "position 0", <-f.asked)
}

// fake is a service with one session that reports what it is asked and tells what it is given.
type fake struct {
	asked     chan string
	joined    atomic.Pointer[watchv1.Subscription]
	responses chan *watchv1.WatchResponse
	stopped   chan struct{}
	closed    chan struct{}
	refuse    error
	unwell    atomic.Bool
}

func newFake() *fake {
	return &fake{
		asked: make(chan string, 64), responses: make(chan *watchv1.WatchResponse, 8),
		stopped: make(chan struct{}), closed: make(chan struct{}),
	}
}

// next is what was asked next, but for the positions that the handler asks for by itself.
func (f *fake) next(t *testing.T) string {
	t.Helper()
	for {
		if asked := <-f.asked; asked != "position 0" {
			return asked
		}
	}
}

func (f *fake) Attach() Attached { return f }
func (f *fake) Well() bool       { return !f.unwell.Load() }
func (f *fake) Store() []byte    { return []byte("store") }

func (f *fake) Read(context.Context, *watchv1.ReadRequest) (*watchv1.ReadResponse, error) {
	return nil, f.refuse
}

func (f *fake) Join(_ context.Context, s *watchv1.Subscription) error {
	f.joined.Store(s)
	f.asked <- fmt.Sprint("join ", s.Id)
	return f.refuse
}

func (f *fake) Leave(id int64)          { f.asked <- fmt.Sprint("leave ", id) }
func (f *fake) Position(revision int64) { f.asked <- fmt.Sprint("position ", revision) }
func (f *fake) Close()                  { close(f.closed) }

func (f *fake) Next(ctx context.Context) (*watchv1.WatchResponse, error) {
	select {
	case resp := <-f.responses:
		return resp, nil
	case <-f.stopped:
		return nil, fmt.Errorf("session: %w", errdefs.ErrStopped)
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err())
	}
}
