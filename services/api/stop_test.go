package api

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/etcdserverpbconnect"
	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3lockpb"
	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3lockpb/v3lockpbconnect"
)

// slowPut is a put that begins when the test is told so and ends when the test lets it.
type slowPut struct{ began, finish chan struct{} }

func newSlowPut() slowPut { return slowPut{make(chan struct{}, 2), make(chan struct{})} }

func (s slowPut) Put(ctx context.Context, _ *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error) {
	s.began <- struct{}{}
	select {
	case <-s.finish:
		return &etcdserverpb.PutResponse{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// putTwice has one put begin over gRPC and one over Connect, and returns what becomes of them.
func (s slowPut) putTwice(t *testing.T, address string, client *http.Client) (results chan error) {
	t.Helper()
	results = make(chan error, 2)
	byGRPC, byConnect := etcdserverpb.NewKVClient(dial(t, address)), etcdserverpbconnect.NewKVClient(client, "http://"+address)
	go func() {
		_, err := byGRPC.Put(within(t), &etcdserverpb.PutRequest{})
		results <- err
	}()
	go func() {
		_, err := byConnect.Put(within(t), &etcdserverpb.PutRequest{})
		results <- err
	}()
	<-s.began
	<-s.began
	return results
}

// Goal: a stop lets calls under way finish, over gRPC and over Connect. Method: stop with one of each in its handler,
// see that the port is closed, then let them finish.
func TestStopLetsCallsFinish(t *testing.T) {
	services, slow := fakeServices(), newSlowPut()
	services.KV = fakeKV{put: slow.Put}
	s := serve(t, services, nil)
	results := slow.putTwice(t, s.address, h2(t))
	s.stop()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, testTime, time.Millisecond)
	require.Empty(t, results)
	close(slow.finish)
	require.NoError(t, <-results)
	require.NoError(t, <-results)
}

// Goal: a call that does not finish cannot hold up a stop for ever. Method: a put that only ends with its context.
func TestStopIsBounded(t *testing.T) {
	services, slow := fakeServices(), newSlowPut()
	services.KV = fakeKV{put: slow.Put}
	s := serve(t, services, func(cfg *Config) { cfg.DrainTimeout = 50 * time.Millisecond })
	results := slow.putTwice(t, s.address, h1(t))
	s.stop()
	require.Error(t, <-results)
	require.Error(t, <-results)
	s.waitStopped(t, testTime)
}

// Goal: streams do not hold up a stop, and their clients are told to go elsewhere: any other code than Unavailable would
// end a clientv3 watch for good. Method: stop with a watch and a keep-alive open over each protocol.
func TestStopEndsStreams(t *testing.T) {
	s := serve(t, fakeServices(), func(cfg *Config) { cfg.DrainTimeout = time.Hour }) // streams must not use up the time that calls have
	conn, url := dial(t, s.address), "http://"+s.address
	watch, err := etcdserverpb.NewWatchClient(conn).Watch(within(t))
	require.NoError(t, err)
	require.NoError(t, watch.Send(create(1)))
	_, err = watch.Recv()
	require.NoError(t, err)
	alive, err := etcdserverpb.NewLeaseClient(conn).LeaseKeepAlive(within(t))
	require.NoError(t, err)
	require.NoError(t, alive.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: 1}))
	_, err = alive.Recv()
	require.NoError(t, err)
	watch2, err := etcdserverpbconnect.NewWatchClient(h2(t), url).Watch(within(t))
	require.NoError(t, err)
	require.NoError(t, watch2.Send(create(1)))
	_, err = watch2.Receive()
	require.NoError(t, err)
	alive2, err := etcdserverpbconnect.NewLeaseClient(h2(t), url).LeaseKeepAlive(within(t))
	require.NoError(t, err)
	require.NoError(t, alive2.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: 1}))
	_, err = alive2.Receive()
	require.NoError(t, err)

	s.stop()
	_, err = watch.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
	_, err = alive.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
	_, err = watch2.Receive()
	require.Equal(t, connect.CodeUnavailable, connect.CodeOf(err))
	_, err = alive2.Receive()
	require.Equal(t, connect.CodeUnavailable, connect.CodeOf(err))
	s.waitStopped(t, testTime)
	for _, stream := range []interface{ CloseResponse() error }{watch2, alive2} {
		_ = stream.CloseResponse()
	}
}

// Goal: a listener that breaks ends Run with the reason, and everything else with it. Method: close it behind its back.
func TestBrokenListenerEndsRun(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	cfg := Config{Logger: quiet(), Listeners: []net.Listener{listener}, Consensus: &fakeStore{}, Auth: noUsers{}}
	server, err := newServer(cfg.withDefaults(), nobody(), behindPorts(cfg), fakeServices())
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- server.Run(context.Background()) }()
	answer, err := h1(t).Get("http://" + listener.Addr().String() + "/version")
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.NoError(t, listener.Close())
	require.ErrorIs(t, <-ended, net.ErrClosed)
}

// Goal: a server that is made and never run leaves nothing behind, for its owner may fail before. Method: make one;
// goleak looks after the tests.
func TestNewStartsNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	_, err := newServer(fakeConfig().withDefaults(), nobody(), behindPorts(fakeConfig()), fakeServices())
	require.NoError(t, err)
}

// Goal: every mistake of a configuration is reported at once. Method: an empty one, and one with too large a limit.
func TestConfigMistakes(t *testing.T) {
	_, err := New(Config{TLSListeners: []net.Listener{nil}, MaxRequestBytes: 1 << 40})
	require.Error(t, err)
	for _, said := range []string{"a port is missing", "no logger", "no TLS settings", "--max-request-bytes"} {
		require.Contains(t, err.Error(), said)
	}
	_, err = New(Config{})
	require.ErrorContains(t, err, "no listener")
}

// waitingLock is a lock that is never had.
type waitingLock struct {
	v3lockpbconnect.UnimplementedLockHandler
	began chan struct{}
}

func (l waitingLock) Lock(ctx context.Context, _ *v3lockpb.LockRequest) (*v3lockpb.LockResponse, error) {
	l.began <- struct{}{}
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// Goal: a stop ends calls that wait for other clients at once, with the error that has clients go elsewhere. Method: stop with a lock that
// waits over gRPC and one over Connect; the drain timeout is far longer than the test waits.
func TestStopEndsWaitsForLocks(t *testing.T) {
	services, began := fakeServices(), make(chan struct{}, 2)
	services.Lock = waitingLock{began: began}
	s := serve(t, services, func(c *Config) { c.DrainTimeout = time.Hour })
	results := make(chan error, 2)
	conn := dial(t, s.address)
	go func() {
		results <- conn.Invoke(within(t), v3lockpbconnect.LockLockProcedure, &v3lockpb.LockRequest{}, &v3lockpb.LockResponse{})
	}()
	byConnect := v3lockpbconnect.NewLockClient(h2(t), "http://"+s.address)
	go func() {
		_, err := byConnect.Lock(within(t), &v3lockpb.LockRequest{})
		results <- err
	}()
	<-began
	<-began
	s.stop()
	for range 2 {
		require.ErrorContains(t, <-results, "etcdserver: server stopped")
	}
}
