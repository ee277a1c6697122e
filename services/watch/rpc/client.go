package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"connectrpc.com/connect"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/edge"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1/watchv1connect"
	"github.com/quoratedb/quorate/pkg/problem"
)

// requestsQueuedMax is how many requests of a session wait to be sent before Add, Remove and Progress wait too.
const requestsQueuedMax = 64

// NewClient makes a client of the watch service at a URL, over an HTTP/2 client. It dials nothing.
func NewClient(c connect.HTTPClient, url string) Service {
	return client{watchv1connect.NewWatchServiceClient(c, url, edge.ClientOptions()...)}
}

type client struct {
	service watchv1connect.WatchServiceClient
}

// Open starts a session. That the service cannot be reached shows in its methods.
func (c client) Open() delivery.Session {
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &session{
		ctx: ctx, end: cancel,
		requests:   make(chan *watchv1.WatchRequest, requestsQueuedMax),
		deliveries: make(chan *delivery.Delivery),
	}
	s.running.Go(func() { s.run(c.service) })
	return s
}

// session is one stream. Its receiver hands deliveries over one by one: a client that does not take them fills the
// stream's window, and then the service's bound for a slow watcher.
type session struct {
	ctx        context.Context
	end        context.CancelCauseFunc
	requests   chan *watchv1.WatchRequest
	deliveries chan *delivery.Delivery
	running    sync.WaitGroup
}

// run owns the stream: it sends, and receives on a goroutine of its own, until the session ends.
func (s *session) run(service watchv1connect.WatchServiceClient) {
	stream, err := service.Watch(s.ctx)
	if err != nil {
		s.end(err)
		return
	}
	s.running.Go(func() { s.receive(stream) })
	for {
		select {
		case req := <-s.requests:
			if err := stream.Send(req); err != nil && !errors.Is(err, io.EOF) {
				s.end(err)
			}
			// After an io.EOF the stream has ended, and receiving tells why.
		case <-s.ctx.Done():
			_ = stream.CloseRequest() // it is over whatever this says
			return
		}
	}
}

func (s *session) receive(stream *connect.BidiStreamForClientSimple[watchv1.WatchRequest, watchv1.WatchResponse]) {
	defer func() { _ = stream.CloseResponse() }() // it is over whatever this says
	for {
		resp, err := stream.Receive()
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("watch service ended the stream: %w", problem.ErrStopped)
		}
		if err != nil {
			s.end(err)
			return
		}
		d := &delivery.Delivery{
			ID: resp.GetId(), Revision: resp.GetRevision(), All: resp.GetAll(), CompactedRevision: resp.GetCompactedRevision(),
		}
		if len(resp.GetEvents()) > 0 {
			d.Batch = &delivery.Batch{Events: resp.GetEvents()}
		}
		select {
		case s.deliveries <- d:
		case <-s.ctx.Done():
			return
		}
	}
}

// Add asks the service to start a watch. That the service refuses it ends the session: Next tells why.
func (s *session) Add(watch *watchv1.Watch) error {
	return s.ask(&watchv1.WatchRequest{Request: &watchv1.WatchRequest_Add{Add: watch}})
}

// Remove is for delivery.Session.
func (s *session) Remove(id int64) {
	_ = s.ask(&watchv1.WatchRequest{Request: &watchv1.WatchRequest_Remove{Remove: id}}) // else all have ended
}

// Progress is for delivery.Session.
func (s *session) Progress(revision int64) {
	_ = s.ask(&watchv1.WatchRequest{Request: &watchv1.WatchRequest_ProgressAt{ProgressAt: revision}}) // else Next fails
}

func (s *session) ask(req *watchv1.WatchRequest) error {
	select {
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	default:
	}
	select {
	case s.requests <- req:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// Next is for delivery.Session.
func (s *session) Next(ctx context.Context) (*delivery.Delivery, error) {
	select {
	case d := <-s.deliveries:
		return d, nil
	case <-s.ctx.Done():
		return nil, context.Cause(s.ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends the stream and waits for it.
func (s *session) Close() {
	s.end(fmt.Errorf("watch session closed: %w", problem.ErrStopped))
	s.running.Wait()
}
