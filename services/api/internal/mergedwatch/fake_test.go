package mergedwatch

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"

	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// cluster hands the watches that are opened at it to the test.
type cluster struct {
	opened chan *stream
	newest atomic.Int64
}

// Watch implements etcdserverpb.WatchClient.
func (c *cluster) Watch(ctx context.Context, _ ...grpc.CallOption) (grpc.BidiStreamingClient[etcdserverpb.WatchRequest, etcdserverpb.WatchResponse], error) {
	s := &stream{ctx: ctx, requests: make(chan *etcdserverpb.WatchRequest, 100), answers: make(chan any, 5000)}
	c.opened <- s
	return s, nil
}

// stream is one watch at the cluster.
type stream struct {
	grpc.ClientStream
	ctx      context.Context
	requests chan *etcdserverpb.WatchRequest
	answers  chan any // a response or an error
}

func (s *stream) Send(r *etcdserverpb.WatchRequest) error {
	select {
	case s.requests <- r:
		return nil
	case <-s.ctx.Done():
		return io.EOF
	}
}

func (s *stream) Recv() (*etcdserverpb.WatchResponse, error) {
	select {
	case answer := <-s.answers:
		if err, failed := answer.(error); failed {
			return nil, err
		}
		return answer.(*etcdserverpb.WatchResponse), nil
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

// rig is a hub in front of such a cluster.
type rig struct {
	t   *testing.T
	at  *cluster
	hub *Hub
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, at: &cluster{opened: make(chan *stream, 100)}}
	r.at.newest.Store(9)
	r.hub = New(Config{
		Client: r.at, Newest: r.at.newest.Load, Away: func() (bool, <-chan struct{}) { return false, nil },
		Name:           func(token string) string { return map[string]string{"token1": "anne", "token2": "anne"}[token] },
		LeaderLossTime: time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { r.hub.Run(ctx); close(ended) }()
	t.Cleanup(func() { stop(); <-ended })
	return r
}

// watch adds a watch from a revision on to a new session of the token's owner.
func (r *rig) watch(token string, from int64) delivery.Session {
	r.t.Helper()
	s := r.hub.Open(&consensusv1.Caller{Token: token}, false)
	r.t.Cleanup(s.Close)
	require.NoError(r.t, s.Add(&watchv1.Watch{Id: 1, Key: []byte("k"), StartRevision: from, ProgressNotify: true}))
	return s
}

// accept answers the next watch that is opened, which must begin with a revision.
func (r *rig) accept(from, now int64) *stream {
	r.t.Helper()
	select {
	case s := <-r.at.opened:
		created := s.request(r.t).GetCreateRequest()
		require.NotNil(r.t, created)
		require.Equal(r.t, from, created.GetStartRevision())
		s.answers <- &etcdserverpb.WatchResponse{Header: header(now), Created: true}
		return s
	case <-time.After(patience):
		r.t.Fatal("no watch was opened at the cluster")
		return nil
	}
}

func (s *stream) request(t *testing.T) *etcdserverpb.WatchRequest {
	t.Helper()
	select {
	case request := <-s.requests:
		return request
	case <-time.After(patience):
		t.Fatal("no request came")
		return nil
	}
}

func (s *stream) ended(t *testing.T) {
	t.Helper()
	select {
	case <-s.ctx.Done():
	case <-time.After(patience):
		t.Fatal("the watch at the cluster did not end")
	}
}

func header(revision int64) *etcdserverpb.ResponseHeader {
	return &etcdserverpb.ResponseHeader{ClusterId: 7, Revision: revision}
}

func (s *stream) put(revisions ...int64) {
	for _, revision := range revisions {
		s.answers <- &etcdserverpb.WatchResponse{Header: header(revision), Events: []*mvccpb.Event{
			{Kv: &mvccpb.KeyValue{Key: []byte("k"), Value: []byte(strconv.FormatInt(revision, 10)), ModRevision: revision}},
		}}
	}
}

// progress answers a progress request.
func (s *stream) progress(revision int64) {
	s.answers <- &etcdserverpb.WatchResponse{Header: header(revision), WatchId: -1}
}

// next is the next delivery of a session.
func next(t *testing.T, s delivery.Session) *delivery.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d, err := s.Next(ctx)
	require.NoError(t, err)
	return d
}

// told wants a session to be told the events of these revisions next, each once and in order.
func told(t *testing.T, s delivery.Session, revisions ...int64) {
	t.Helper()
	for len(revisions) > 0 {
		d := next(t, s)
		require.NotNil(t, d.Batch, "%+v", d)
		for _, event := range d.Batch.Events() {
			require.NotEmpty(t, revisions)
			require.Equal(t, revisions[0], event.GetKv().GetModRevision())
			revisions = revisions[1:]
		}
	}
}
