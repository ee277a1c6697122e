package v3_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/v3"
	"github.com/quoratedb/quorate/services/api/internal/wire"
	"github.com/quoratedb/quorate/services/api/port"
)

// Who and where the fake store is unless a test says otherwise.
const (
	clusterID = 11
	memberID  = 22
	raftTerm  = 3
	revision  = 44
)

func header(revision int64) *etcdserverpb.ResponseHeader {
	return &etcdserverpb.ResponseHeader{ClusterId: clusterID, MemberId: memberID, Revision: revision, RaftTerm: raftTerm}
}

// fakeConsensus answers with its fields; a call that a test does not expect panics on the embedded nil port.
type fakeConsensus struct {
	port.Consensus
	propose       func(context.Context, *consensusv1.Command) (*consensusv1.Result, error)
	proposes      func(*consensusv1.ProposeRequest) // may be nil; before propose
	rangeKeys     func(context.Context, *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error)
	rangeStream   func(context.Context, *consensusv1.RangeStreamRequest, func(*consensusv1.RangeStreamResponse) error) error
	readTxn       func(context.Context, *consensusv1.ReadTxnRequest) (*consensusv1.ReadTxnResponse, error)
	readIndex     func(context.Context) (*consensusv1.ReadIndexResponse, error)
	position      func(context.Context) (*consensusv1.PositionResponse, error)
	status        func() (*consensusv1.StatusResponse, error)
	members       func(*consensusv1.MembersRequest) (*consensusv1.MembersResponse, error)
	alarms        func() (*consensusv1.AlarmsResponse, error)
	hashKV        func(*consensusv1.HashKVRequest) (*consensusv1.HashKVResponse, error)
	defragment    func() error
	waitCompacted func(context.Context) error
	snapshot      func(func(*consensusv1.SnapshotResponse) error) error
}

func (f *fakeConsensus) Propose(ctx context.Context, r *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error) {
	if f.proposes != nil {
		f.proposes(r)
	}
	result, err := f.propose(ctx, r.GetCommand())
	return &consensusv1.ProposeResponse{Result: result}, err
}

func (f *fakeConsensus) Range(ctx context.Context, r *consensusv1.RangeRequest) (*consensusv1.RangeResponse, error) {
	return f.rangeKeys(ctx, r)
}

func (f *fakeConsensus) RangeStream(ctx context.Context, r *consensusv1.RangeStreamRequest, send func(*consensusv1.RangeStreamResponse) error) error {
	return f.rangeStream(ctx, r, send)
}

func (f *fakeConsensus) ReadTxn(ctx context.Context, r *consensusv1.ReadTxnRequest) (*consensusv1.ReadTxnResponse, error) {
	return f.readTxn(ctx, r)
}

func (f *fakeConsensus) ReadIndex(ctx context.Context, _ *consensusv1.ReadIndexRequest) (*consensusv1.ReadIndexResponse, error) {
	return f.readIndex(ctx)
}

func (f *fakeConsensus) Position(ctx context.Context, _ *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	if f.position != nil {
		return f.position(ctx)
	}
	return &consensusv1.PositionResponse{ClusterId: clusterID, MemberId: memberID, RaftTerm: raftTerm, Revision: revision}, nil
}

func (f *fakeConsensus) Status(context.Context, *consensusv1.StatusRequest) (*consensusv1.StatusResponse, error) {
	return f.status()
}

func (f *fakeConsensus) Members(_ context.Context, r *consensusv1.MembersRequest) (*consensusv1.MembersResponse, error) {
	return f.members(r)
}

func (f *fakeConsensus) Alarms(context.Context, *consensusv1.AlarmsRequest) (*consensusv1.AlarmsResponse, error) {
	return f.alarms()
}

func (f *fakeConsensus) HashKV(_ context.Context, r *consensusv1.HashKVRequest) (*consensusv1.HashKVResponse, error) {
	return f.hashKV(r)
}

func (f *fakeConsensus) WaitCompacted(ctx context.Context, _ *consensusv1.WaitCompactedRequest) (*consensusv1.WaitCompactedResponse, error) {
	return &consensusv1.WaitCompactedResponse{}, f.waitCompacted(ctx)
}

func (f *fakeConsensus) Defragment(context.Context, *consensusv1.DefragmentRequest) (*consensusv1.DefragmentResponse, error) {
	return &consensusv1.DefragmentResponse{}, f.defragment()
}

func (f *fakeConsensus) Snapshot(_ context.Context, _ *consensusv1.SnapshotRequest, send func(*consensusv1.SnapshotResponse) error) error {
	return f.snapshot(send)
}

// fakeLease answers with its fields.
type fakeLease struct {
	grant      func(context.Context, *leasev1.GrantRequest) (*leasev1.GrantResponse, error)
	revoke     func(*leasev1.RevokeRequest) (*leasev1.RevokeResponse, error)
	keepAlive  func(*leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error)
	timeToLive func(*leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error)
	list       func() (*leasev1.ListResponse, error)
}

func (f *fakeLease) Grant(ctx context.Context, r *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	return f.grant(ctx, r)
}

func (f *fakeLease) Revoke(_ context.Context, r *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
	return f.revoke(r)
}

func (f *fakeLease) KeepAlive(_ context.Context, r *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
	return f.keepAlive(r)
}

func (f *fakeLease) TimeToLive(_ context.Context, r *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
	return f.timeToLive(r)
}

func (f *fakeLease) List(context.Context, *leasev1.ListRequest) (*leasev1.ListResponse, error) {
	return f.list()
}

// fakeSession is a watch session whose deliveries a test makes. It records what it was asked for.
type fakeSession struct {
	onAdd      func(*watchv1.Watch) error // after the watch is recorded
	added      chan *watchv1.Watch
	removed    chan int64
	progress   chan int64
	deliveries chan *delivery.Delivery
	closed     chan struct{}
	closeOnce  sync.Once
}

func newFakeSession() *fakeSession {
	return &fakeSession{
		added:      make(chan *watchv1.Watch, 100),
		removed:    make(chan int64, 100),
		progress:   make(chan int64, 100),
		deliveries: make(chan *delivery.Delivery, 100),
		closed:     make(chan struct{}),
	}
}

func (s *fakeSession) Add(w *watchv1.Watch) error {
	s.added <- w
	if s.onAdd != nil {
		return s.onAdd(w)
	}
	return nil
}

func (s *fakeSession) Remove(id int64)         { s.removed <- id }
func (s *fakeSession) Progress(revision int64) { s.progress <- revision }
func (s *fakeSession) Close()                  { s.closeOnce.Do(func() { close(s.closed) }) }

func (s *fakeSession) Next(ctx context.Context) (*delivery.Delivery, error) {
	select {
	case d := <-s.deliveries:
		return d, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.closed:
		return nil, errdefs.ErrStopped
	}
}

// fakeWatch hands out sessions that a test has made, one for each stream.
type fakeWatch struct{ sessions chan *fakeSession }

func (f *fakeWatch) Open() delivery.Session { return <-f.sessions }

// newServices returns services over fakes, with limits of Config's defaults unless change sets others.
func newServices(t testing.TB, consensus port.Consensus, change func(*v3.Config)) *v3.Services {
	t.Helper()
	config := v3.Config{
		Consensus:      consensus,
		Lease:          &fakeLease{},
		Watch:          &fakeWatch{},
		Auth:           &fakeAuth{},
		Version:        "3.7.0",
		StorageVersion: "3.7.1",
	}
	if change != nil {
		change(&config)
	}
	if config.Follower == nil {
		config.Follower = auth.NewFollower(config.Auth, slog.New(slog.DiscardHandler))
	}
	services, err := v3.New(config)
	require.NoError(t, err)
	return services
}

// dial serves the services by grpc-go in memory, as the endpoint does, and returns a connection to them.
func dial(t testing.TB, services *v3.Services) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.ForceServerCodecV2(wire.Codec{}))
	etcdserverpb.RegisterKVServer(server, services.KV)
	etcdserverpb.RegisterWatchServer(server, services.Watch)
	etcdserverpb.RegisterLeaseServer(server, services.Lease)
	etcdserverpb.RegisterClusterServer(server, services.Cluster)
	etcdserverpb.RegisterMaintenanceServer(server, services.Maintenance)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///memory",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		server.Stop()
		require.NoError(t, <-served)
	})
	return conn
}
