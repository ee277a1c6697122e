package v3_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/services/api/internal/v3"
)

// fakeStream is a stream whose type is not grpc-go's.
type fakeStream struct {
	grpc.ServerStream
	ctx      context.Context
	requests chan *etcdserverpb.WatchRequest
	send     func(*etcdserverpb.WatchResponse) error
}

func (s *fakeStream) Context() context.Context                 { return s.ctx }
func (s *fakeStream) Send(r *etcdserverpb.WatchResponse) error { return s.send(r) }
func (s *fakeStream) request(r *etcdserverpb.WatchCreateRequest) {
	s.requests <- &etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{CreateRequest: r}}
}

func (s *fakeStream) Recv() (*etcdserverpb.WatchRequest, error) {
	select {
	case r := <-s.requests:
		return r, nil
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

// TestWatchOfAStuckClientIsBounded creates watches for a client that takes no answer: the reader stops when the queue
// of answers is full, and everything ends with the client, the reader too (or synctest would not let the test end).
func TestWatchOfAStuckClientIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session := newFakeSession()
		watch := watchServerOver(t, session, nil)
		ctx, cancel := context.WithCancel(t.Context())
		stream := &fakeStream{ctx: ctx, requests: make(chan *etcdserverpb.WatchRequest, 100)}
		stream.send = func(*etcdserverpb.WatchResponse) error { <-ctx.Done(); return ctx.Err() }
		for range 60 {
			stream.request(&etcdserverpb.WatchCreateRequest{Key: []byte("k")})
		}
		ended := make(chan error)
		go func() { ended <- watch.Watch(stream) }()
		synctest.Wait()
		require.Len(t, session.added, 17, "one answer in the sender's hands and 16 in the queue")
		cancel()
		require.Equal(t, rpctypes.ErrGRPCWatchCanceled, <-ended)
		<-session.closed
	})
}

// TestWatchConvertsForOtherStreams checks that a stream of a type of its own gets messages, never bytes.
func TestWatchConvertsForOtherStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session := newFakeSession()
		watch := watchServerOver(t, session, encoded)
		ctx, cancel := context.WithCancel(t.Context())
		sent := make(chan *etcdserverpb.WatchResponse, 10)
		stream := &fakeStream{ctx: ctx, requests: make(chan *etcdserverpb.WatchRequest, 10)}
		stream.send = func(r *etcdserverpb.WatchResponse) error { sent <- r; return nil }
		ended := make(chan error)
		go func() { ended <- watch.Watch(stream) }()
		stream.request(&etcdserverpb.WatchCreateRequest{Key: []byte("k")})
		equal(t, &etcdserverpb.WatchResponse{Header: header(revision), Created: true}, <-sent)
		session.deliveries <- &delivery.Delivery{ID: 1, Batch: putOf(50), Revision: 50}
		equal(t, &etcdserverpb.WatchResponse{Header: header(50), Events: putsOf(50)}, <-sent)
		cancel()
		<-ended
	})
}

func watchServerOver(t *testing.T, session *fakeSession, change func(*v3.Config)) *v3.WatchServer {
	t.Helper()
	return newServices(t, &fakeConsensus{}, func(c *v3.Config) {
		sessions := make(chan *fakeSession, 1)
		sessions <- session
		c.Watch = &fakeWatch{sessions: sessions}
		if change != nil {
			change(c)
		}
	}).Watch
}
