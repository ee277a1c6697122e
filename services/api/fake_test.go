package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/v1/quoratev1connect"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/connectserver"
	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3lockpb/v3lockpbconnect"
	"github.com/quoratedb/quorate/services/api/internal/wire"
	"github.com/quoratedb/quorate/services/api/port"
)

// fakeKV answers a range with its own key, a put only when the test lets it, and refuses an empty key as etcd does.
type fakeKV struct {
	etcdserverpb.UnimplementedKVServer
	put func(context.Context, *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error)
}

func (f fakeKV) Range(_ context.Context, r *etcdserverpb.RangeRequest) (*etcdserverpb.RangeResponse, error) {
	if len(r.GetKey()) == 0 {
		return nil, rpctypes.ErrGRPCEmptyKey
	}
	return &etcdserverpb.RangeResponse{Kvs: []*mvccpb.KeyValue{{Key: r.GetKey(), Value: []byte("value")}}, Count: 1}, nil
}

func (f fakeKV) Put(ctx context.Context, r *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error) {
	if f.put == nil {
		return &etcdserverpb.PutResponse{Header: &etcdserverpb.ResponseHeader{Revision: 7}}, nil
	}
	return f.put(ctx, r)
}

func (f fakeKV) RangeStream(r *etcdserverpb.RangeRequest, stream grpc.ServerStreamingServer[etcdserverpb.RangeStreamResponse]) error {
	for i := range 3 {
		chunk := &etcdserverpb.RangeResponse{Kvs: []*mvccpb.KeyValue{{Key: r.GetKey(), Version: int64(i + 1)}}}
		if err := stream.Send(&etcdserverpb.RangeStreamResponse{RangeResponse: chunk}); err != nil {
			return err
		}
	}
	return nil
}

// fakeWatch answers each request with its watch id, encoded beforehand, and ends with its context.
type fakeWatch struct {
	etcdserverpb.UnimplementedWatchServer
}

func (fakeWatch) Watch(stream grpc.BidiStreamingServer[etcdserverpb.WatchRequest, etcdserverpb.WatchResponse]) error {
	ids := make(chan int64)
	go func() {
		defer close(ids)
		for {
			request, err := stream.Recv()
			if err != nil {
				return
			}
			select {
			case ids <- request.GetCreateRequest().GetWatchId():
			case <-stream.Context().Done():
				return
			}
		}
	}()
	for {
		select {
		case id, ok := <-ids:
			if !ok {
				return nil
			}
			// Field 2 is watch_id, field 3 created.
			if err := stream.SendMsg(&wire.Encoded{Head: []byte{2 << 3, byte(id)}, Shared: []byte{3 << 3, 1}}); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// fakeLease echoes keep-alives and, like any simple stream, does not notice its context while it waits for its client.
type fakeLease struct {
	etcdserverpb.UnimplementedLeaseServer
}

func (fakeLease) LeaseKeepAlive(stream grpc.BidiStreamingServer[etcdserverpb.LeaseKeepAliveRequest, etcdserverpb.LeaseKeepAliveResponse]) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&etcdserverpb.LeaseKeepAliveResponse{ID: request.GetID(), TTL: 5}); err != nil {
			return err
		}
	}
}

// fakeStore is how a store is that health asks about.
type fakeStore struct {
	port.Consensus
	status  *consensusv1.StatusResponse
	alarms  []*consensusv1.Alarm
	readErr error
}

func (f *fakeStore) Status(context.Context, *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error) {
	return f.status, nil
}

func (f *fakeStore) Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	return &consensusv1.PositionResponse{LeaderId: 1}, nil
}

func (f *fakeStore) Alarms(context.Context, *consensusv1.AlarmsRequest) (*consensusv1.AlarmsResponse, error) {
	return &consensusv1.AlarmsResponse{Alarms: f.alarms}, nil
}

// Range is asked by the checks of health alone, which the store answers also while authentication is enabled.
func (f *fakeStore) Range(_ context.Context, r *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
	if !r.GetCaller().GetInternal() {
		return nil, errdefs.ErrUserEmpty
	}
	return &consensusv1.RangeResponse{}, f.readErr
}

// noElection has methods that nobody calls.
type noElection struct{ connectserver.Election }

func fakeServices() connectserver.Services {
	return connectserver.Services{
		KV: fakeKV{}, Watch: fakeWatch{}, Lease: fakeLease{},
		Cluster:     etcdserverpb.UnimplementedClusterServer{},
		Maintenance: etcdserverpb.UnimplementedMaintenanceServer{},
		Auth:        etcdserverpb.UnimplementedAuthServer{},
		Quotas:      quoratev1connect.UnimplementedQuotaServiceHandler{},
		Inspect:     quoratev1connect.UnimplementedInspectServiceHandler{},
		Lock:        v3lockpbconnect.UnimplementedLockHandler{},
		Election:    noElection{},
	}
}

// serving is a server under test.
type serving struct {
	address string
	stop    func()
	stopped chan struct{}
}

// serve runs a server on a port of its own until the test ends.
func serve(t *testing.T, services connectserver.Services, change func(*Config)) *serving {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	metrics := prometheus.NewRegistry()
	cfg := Config{
		Consensus:  &fakeStore{status: &consensusv1.StatusResponse{LeaderId: 1}},
		Auth:       noUsers{},
		Logger:     quiet(),
		Registerer: metrics, Gatherer: metrics,
		Listeners: []net.Listener{listener},
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &serving{address: listener.Addr().String(), stop: cancel, stopped: make(chan struct{})}
	server, err := newServer(cfg.withDefaults(), nobody(), behindPorts(cfg), services)
	require.NoError(t, err)
	go func() {
		defer close(s.stopped)
		if err := server.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		s.waitStopped(t, 10*time.Second)
	})
	return s
}

func (s *serving) waitStopped(t *testing.T, limit time.Duration) {
	t.Helper()
	select {
	case <-s.stopped:
	case <-time.After(limit):
		t.Fatal("the server did not stop in time")
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// nobody is users of whom nothing is known, and who never change.
func nobody() users {
	follower := auth.NewFollower(noUsers{}, quiet())
	return users{follower: follower, identify: auth.New(auth.Config{}), names: auth.NewNames(noUsers{}, follower)}
}

// fakeConfig has a store that does nothing, and no listener.
func fakeConfig() Config {
	return Config{Logger: quiet(), Consensus: &fakeStore{}, Auth: noUsers{}}
}
