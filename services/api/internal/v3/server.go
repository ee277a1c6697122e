package v3

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/ratelimit"
	"github.com/quoratedb/quorate/services/api/port"
)

// Defaults of Config, which are etcd's.
const (
	defaultMaxTxnOps       = 128
	defaultMaxRequestBytes = 3 << 19 // 1.5 MiB
	defaultRequestTimeout  = 7 * time.Second
)

// Config says what the services stand on. The four ports are required; a zero in any other field means its default.
type Config struct {
	Consensus port.Consensus
	Lease     port.Lease
	Watch     port.Watch
	Auth      port.Auth
	// Quotas may be nil: then there are none by prefix.
	Quotas port.Quotas
	// Inspector may be nil: then InspectServer answers that it is not there.
	Inspector port.Inspector
	// Follower knows when rights change; watches are checked again then.
	Follower *auth.Follower
	// Shown may be nil; else it is told of each revision that a client is about to be shown.
	Shown func(revision int64)
	// Nearest may be nil; else it tells which member headers name, 0 for the one that the store names itself.
	Nearest func() uint64
	// Rates may be nil: then as many watches may be created as clients like.
	Rates *ratelimit.Limiter
	// Signer makes the tokens of those who log in; nil where the store does.
	Signer Signer
	Logger *slog.Logger // default: logs nothing

	// MaxTxnOps bounds the comparisons, and the operations of each branch, of one transaction.
	MaxTxnOps uint
	// MaxRequestBytes bounds a write request's encoding.
	MaxRequestBytes uint
	// RequestTimeout is how long a write, or the agreement on a read, may take. etcd's is 5 s for queues and disks and
	// two election timeouts.
	RequestTimeout time.Duration

	// Version is the etcd version that Status reports, such as "3.7.0".
	Version string
	// StorageVersion is the etcd storage version that Status and Snapshot report, such as "3.7.0".
	StorageVersion string

	// EncodedWatch says that SendMsg of every grpc.GenericServerStream that Watch is given takes a *wire.Encoded, as it
	// does where wire.Codec is the gRPC server's codec. Events then go out in bytes that equal watches share. A stream of
	// any other type gets responses.
	EncodedWatch bool
}

// Services holds one server for each of etcd's services, and for our own. All their methods may be called concurrently.
type Services struct {
	KV          *KVServer
	Watch       *WatchServer
	Lease       *LeaseServer
	Cluster     *ClusterServer
	Maintenance *MaintenanceServer
	Auth        *AuthServer
	Quotas      *QuotaServer
	Inspect     *InspectServer
	Lock        *LockServer
	Election    *ElectionServer
	backend     *backend
}

// StoreReplaced has headers name the store that is there now: it is another one than before.
func (s *Services) StoreReplaced() {
	s.Lock.turns.lines.forget()
	s.backend.forget(context.Background())
}

var (
	_ etcdserverpb.KVServer          = (*KVServer)(nil)
	_ etcdserverpb.WatchServer       = (*WatchServer)(nil)
	_ etcdserverpb.LeaseServer       = (*LeaseServer)(nil)
	_ etcdserverpb.ClusterServer     = (*ClusterServer)(nil)
	_ etcdserverpb.MaintenanceServer = (*MaintenanceServer)(nil)
	_ etcdserverpb.AuthServer        = (*AuthServer)(nil)
)

// New returns the services. It starts nothing and calls no port yet.
func New(config Config) (*Services, error) {
	if config.Consensus == nil || config.Lease == nil || config.Watch == nil || config.Auth == nil || config.Follower == nil {
		return nil, errors.New("v3: a port is missing: consensus, lease, watch, auth and its follower are all needed")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.MaxTxnOps == 0 {
		config.MaxTxnOps = defaultMaxTxnOps
	}
	if config.MaxRequestBytes == 0 {
		config.MaxRequestBytes = defaultMaxRequestBytes
	}
	if config.RequestTimeout == 0 {
		config.RequestTimeout = defaultRequestTimeout
	}
	back := &backend{
		consensus: config.Consensus,
		place:     config.Consensus,
		shown:     config.Shown,
		nearest:   config.Nearest,
		logger:    config.Logger,
		timeout:   config.RequestTimeout,
		gate:      auth.NewGate(config.Auth, config.RequestTimeout, config.Logger),
	}
	kv := &KVServer{backend: back, maxTxnOps: int(config.MaxTxnOps), maxRequestBytes: int(config.MaxRequestBytes)}
	lease := &LeaseServer{backend: back, lease: config.Lease, follower: config.Follower}
	turns := &turns{kv: kv, lease: lease, watch: config.Watch}
	return &Services{
		KV:          kv,
		Watch:       newWatchServer(back, config),
		Lease:       lease,
		Cluster:     &ClusterServer{backend: back},
		Maintenance: &MaintenanceServer{backend: back, version: config.Version, storageVersion: config.StorageVersion},
		Auth:        newAuthServer(back, config),
		Quotas:      &QuotaServer{backend: back, quotas: config.Quotas},
		Inspect:     &InspectServer{backend: back, inspector: config.Inspector},
		Lock:        &LockServer{turns: turns},
		Election:    &ElectionServer{turns: turns},
		backend:     back,
	}, nil
}
