package upstream

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// kv is a member that counts, and may refuse or be lost in the middle of a request.
type kv struct {
	etcdserverpb.UnimplementedKVServer
	server *grpc.Server
	asked  atomic.Int64
	refuse atomic.Pointer[error]
	die    atomic.Bool
	silent atomic.Bool
}

func (m *kv) answer(ctx context.Context) error {
	m.asked.Add(1)
	if m.die.Load() {
		go m.server.Stop()
		<-ctx.Done() // the connection is cut
	}
	if m.silent.Load() {
		<-ctx.Done()
		return status.FromContextError(ctx.Err()).Err() // an answer might come just before the client gives up
	}
	if refusal := m.refuse.Load(); refusal != nil {
		return *refusal
	}
	return nil
}

func (m *kv) Range(ctx context.Context, _ *etcdserverpb.RangeRequest) (*etcdserverpb.RangeResponse, error) {
	return &etcdserverpb.RangeResponse{}, m.answer(ctx)
}

func (m *kv) Put(ctx context.Context, _ *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error) {
	return &etcdserverpb.PutResponse{}, m.answer(ctx)
}

func newKV(t *testing.T) (*kv, Endpoint) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := &kv{server: grpc.NewServer()}
	etcdserverpb.RegisterKVServer(m.server, m)
	go func() { _ = m.server.Serve(listener) }()
	t.Cleanup(m.server.Stop)
	endpoint, err := ParseEndpoint(listener.Addr().String(), false)
	require.NoError(t, err)
	return m, endpoint
}

func newCluster(t *testing.T, endpoints ...Endpoint) *Cluster {
	t.Helper()
	c := New(Config{Endpoints: endpoints, ReceiveBytesMax: 1 << 20, RequestTimeout: 3 * time.Second, KeepAliveTimeout: time.Second, Logger: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { c.Run(ctx); close(ended) }()
	t.Cleanup(func() { stop(); <-ended })
	return c
}

// Goal: a read is made again at another member when one is lost under it; of a write nobody knows, and etcd says so. Method: members that end in
// the middle of a request.
func TestLostMember(t *testing.T) {
	for name, read := range map[string]bool{"read": true, "write": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, atA := newKV(t)
			b, atB := newKV(t)
			c := newCluster(t, atA, atB)
			client := etcdserverpb.NewKVClient(c)
			_, err := client.Range(t.Context(), &etcdserverpb.RangeRequest{})
			require.NoError(t, err)
			first, second := a, b
			if b.asked.Load() == 1 {
				first, second = b, a
			}
			first.die.Store(true)
			if read {
				_, err = client.Range(t.Context(), &etcdserverpb.RangeRequest{})
				require.NoError(t, err)
			} else {
				_, err = client.Put(t.Context(), &etcdserverpb.PutRequest{})
				require.Equal(t, rpctypes.ErrGRPCTimeoutDueToConnectionLost, err)
				require.Zero(t, second.asked.Load())
				_, err = client.Put(t.Context(), &etcdserverpb.PutRequest{})
				require.NoError(t, err)
			}
			require.EqualValues(t, 1, second.asked.Load())
		})
	}
}

// Goal: requests stay with one member, refusals come as they are, and a member without a leader is left for another. Method: a member that refuses.
func TestRefusals(t *testing.T) {
	a, atA := newKV(t)
	b, atB := newKV(t)
	client := etcdserverpb.NewKVClient(newCluster(t, atA, atB))
	for range 10 {
		_, err := client.Put(t.Context(), &etcdserverpb.PutRequest{})
		require.NoError(t, err)
	}
	first, second := a, b
	if b.asked.Load() > 0 {
		first, second = b, a
	}
	require.EqualValues(t, 10, first.asked.Load())
	for _, refusal := range []error{rpctypes.ErrGRPCNoSpace, status.Error(codes.Unavailable, "etcdserver: something of tomorrow")} {
		first.refuse.Store(&refusal)
		for range failuresMax {
			_, err := client.Put(t.Context(), &etcdserverpb.PutRequest{})
			require.Equal(t, status.Convert(refusal).Message(), status.Convert(err).Message())
			require.Equal(t, status.Code(refusal), status.Code(err))
		}
	}
	first.refuse.Store(&rpctypes.ErrGRPCNoLeader)
	for range failuresMax {
		_, err := client.Put(t.Context(), &etcdserverpb.PutRequest{})
		require.Equal(t, status.Convert(rpctypes.ErrGRPCNoLeader).Message(), status.Convert(err).Message())
	}
	require.Zero(t, second.asked.Load())
	_, err := client.Put(t.Context(), &etcdserverpb.PutRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 1, second.asked.Load())
}

// Goal: a member that is there and does not answer is left for another. Method: one that is silent, and a client with little time.
func TestSilentMember(t *testing.T) {
	a, atA := newKV(t)
	b, atB := newKV(t)
	client := etcdserverpb.NewKVClient(newCluster(t, atA, atB))
	_, err := client.Put(t.Context(), &etcdserverpb.PutRequest{})
	require.NoError(t, err)
	first, second := a, b
	if b.asked.Load() > 0 {
		first, second = b, a
	}
	first.silent.Store(true)
	for range failuresMax {
		hurried, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := client.Put(hurried, &etcdserverpb.PutRequest{})
		cancel()
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	}
	_, err = client.Put(t.Context(), &etcdserverpb.PutRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 1, second.asked.Load())
}

// Goal: endpoints are followed: requests go to a member that is new, and none to one that is no more. Method: a list that changes.
func TestEndpointsAreFollowed(t *testing.T) {
	a, atA := newKV(t)
	b, atB := newKV(t)
	var members atomic.Pointer[[]Endpoint]
	members.Store(&[]Endpoint{atA})
	c := New(Config{
		Endpoints: []Endpoint{atA}, ReceiveBytesMax: 1 << 20, RequestTimeout: 3 * time.Second, KeepAliveTimeout: time.Second, Logger: slog.New(slog.DiscardHandler),
		Find: func(context.Context) ([]Endpoint, error) { return *members.Load(), nil }, FindInterval: 10 * time.Millisecond,
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { c.Run(ctx); close(ended) }()
	defer func() { stop(); <-ended }()
	moved := make(chan struct{}, 10)
	go c.Changes(ctx, func(context.Context) { moved <- struct{}{} })
	client := etcdserverpb.NewKVClient(c)
	_, err := client.Put(t.Context(), &etcdserverpb.PutRequest{})
	require.NoError(t, err)
	members.Store(&[]Endpoint{atB})
	require.Eventually(t, func() bool {
		_, err := client.Range(t.Context(), &etcdserverpb.RangeRequest{})
		return err == nil && b.asked.Load() > 0
	}, 10*time.Second, time.Millisecond)
	asked := a.asked.Load()
	_, err = client.Put(t.Context(), &etcdserverpb.PutRequest{})
	require.NoError(t, err)
	require.Equal(t, asked, a.asked.Load())
	<-moved
}

// Goal: endpoints are read as clients write them. Method: a table.
func TestParseEndpoint(t *testing.T) {
	for text, want := range map[string]string{
		"m1:2379": "https://m1:2379", "http://m1:2379": "http://m1:2379", "https://[::1]:1/": "https://[::1]:1", "unix:///s": "unix:///s", "unixs://s": "unixs://s",
	} {
		e, err := ParseEndpoint(text, true)
		require.NoError(t, err, text)
		require.Equal(t, want, e.String())
	}
	for _, text := range []string{"", "m1", "http://m1", "ftp://m1:1", "unix://", "http://m1:1/path", ":1"} {
		_, err := ParseEndpoint(text, false)
		require.Error(t, err, text)
	}
}
