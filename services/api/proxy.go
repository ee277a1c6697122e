package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/calls"
	"github.com/quoratedb/quorate/services/api/internal/connectserver"
	"github.com/quoratedb/quorate/services/api/internal/forward"
	"github.com/quoratedb/quorate/services/api/internal/mergedwatch"
	"github.com/quoratedb/quorate/services/api/internal/upstream"
	v3 "github.com/quoratedb/quorate/services/api/internal/v3"
)

// Upstream is the cluster that a proxy is in front of: Quorate's or etcd's. Endpoints is required.
type Upstream struct {
	// Endpoints are where its members serve clients: host:port, or a URL with http, https, unix or unixs. Without a scheme, TLS is spoken where
	// there are settings for it.
	Endpoints []string
	// TLS is for endpoints that speak it, and is asked before each connection. Nil trusts the system's authorities.
	TLS tlsconfig.Client
	// Find returns where the members are by now. It is called every FindInterval; nil, or none, has them stay where they are.
	Find         func(context.Context) ([]string, error)
	FindInterval time.Duration
	// FollowMembers takes the endpoints of the member list instead, every FindInterval.
	FollowMembers bool

	// KeepAliveTime is after how long of silence a member is pinged that has requests, and with PermitWithoutStream any; 0 is never.
	// KeepAliveTimeout is how long its answer may take.
	KeepAliveTime, KeepAliveTimeout time.Duration
	PermitWithoutStream             bool
	// SendBytesMax bounds a write as it is sent there, ReceiveBytesMax an answer.
	SendBytesMax, ReceiveBytesMax int
	// Namespace is what stands before every key there that clients know without it.
	Namespace string
	// ClientURLs returns where clients are told that the members are; nil, or none, leaves what the members tell.
	ClientURLs func() []string
	// Ordered has a serializable read that is older than what this proxy has shown before made anew, as a linearizable one.
	Ordered bool
}

// Proxy is a server in front of another cluster. Create it with NewProxy and Run it once.
type Proxy struct {
	*Server
	cluster *upstream.Cluster
	watches *mergedwatch.Hub
	watch   *v3.WatchServer
}

// NewProxy builds a server whose store is elsewhere and known by etcd's API alone. Of cfg the ports, and what only a store can do, are not used:
// who somebody is the cluster knows. It starts nothing.
func NewProxy(cfg Config, to Upstream) (*Proxy, error) {
	if err := errors.Join(cfg.validateServing(), to.check()); err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	cfg.NoConsole = true // it asks a store of what only that knows
	cfg = cfg.withDefaults()
	cluster, err := to.cluster(cfg)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	namespace := forward.Namespace(to.Namespace)
	store := &forward.Store{Cluster: cluster, Namespace: namespace}
	tokens := forward.NewTokens()
	hub := mergedwatch.New(mergedwatch.Config{
		Client: etcdserverpb.NewWatchClient(cluster), Namespace: namespace, Name: tokens.Name, Newest: store.Newest, Away: cluster.Away,
		LeaderLossTime: cfg.LeaderLossTime, Logger: cfg.Logger, Registerer: cfg.Registerer,
	})
	follower := auth.NewFollower(store, cfg.Logger)
	watch := v3.NewWatch(v3.WatchConfig{
		Place: store, Authorizer: store, Follower: follower, Logger: cfg.Logger,
		MaxRequestBytes: cfg.MaxRequestBytes, RequestTimeout: cfg.RequestTimeout,
		Open: func(ctx context.Context) delivery.Session {
			return hub.Open(auth.Caller(ctx), forward.WantsLeader(ctx))
		},
	})
	who := users{follower: follower, identify: auth.New(auth.Config{Logger: cfg.Logger}), names: auth.NewNames(store, follower)}
	behind := behind{
		leader: forward.Led{}, authorizer: forward.Open{Store: store}, health: store,
		tree: func(watched *calls.Calls) http.Handler {
			return forward.NewV2(forward.V2Config{
				Members: cluster, TLS: to.TLS, Namespace: namespace, Ending: watched.Ending(), RequestTimeout: cfg.RequestTimeout, Logger: cfg.Logger,
			})
		},
	}
	server, err := newServer(cfg, who, behind, connectserver.Services{
		KV:          &forward.KV{Cluster: cluster, Namespace: namespace, RequestBytesMax: to.SendBytesMax, Ordered: to.Ordered},
		Watch:       watch,
		Lease:       forward.NewLease(cluster, namespace, cfg.RequestTimeout),
		Cluster:     &forward.ClusterServer{Cluster: cluster, ClientURLs: to.ClientURLs},
		Maintenance: &forward.Maintenance{Cluster: cluster},
		Auth:        &forward.Auth{Cluster: cluster, Tokens: tokens},
		Quotas:      &forward.Quotas{Cluster: cluster, Namespace: namespace},
		Inspect:     &forward.Inspect{Cluster: cluster, Namespace: namespace},
		Lock:        &forward.Lock{Cluster: cluster, Namespace: namespace},
		Election:    &forward.Election{Cluster: cluster, Namespace: namespace},
	})
	if err != nil {
		return nil, err
	}
	return &Proxy{Server: server, cluster: cluster, watches: hub, watch: watch}, nil
}

// Run serves until ctx ends or a listener fails, then stops and returns when everything it started has ended: nil in the first case.
func (p *Proxy) Run(ctx context.Context) error {
	// The connections to the cluster outlive those of clients, whose last requests still go there.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.cluster.Run(serving)
	}()
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		p.watches.Run(serving)
	}()
	moving := make(chan struct{})
	go func() {
		defer close(moving)
		p.cluster.Changes(serving, p.watch.StoreReplaced)
	}()
	err := p.Server.Run(ctx)
	stop()
	<-watching
	<-moving
	<-ended
	return err
}

// Cluster is a connection to the cluster, for calls of the process's own.
func (p *Proxy) Cluster() forward.Cluster { return p.cluster }

func (u Upstream) check() error {
	if len(u.Endpoints) == 0 {
		return errors.New("no endpoints of a cluster")
	}
	_, err := u.endpoints(u.Endpoints)
	return err
}

func (u Upstream) endpoints(texts []string) ([]upstream.Endpoint, error) {
	endpoints := make([]upstream.Endpoint, 0, len(texts))
	for _, text := range texts {
		e, err := upstream.ParseEndpoint(text, u.TLS != nil)
		if err != nil {
			return nil, err
		}
		endpoints = append(endpoints, e)
	}
	return endpoints, nil
}

func (u Upstream) cluster(cfg Config) (*upstream.Cluster, error) {
	endpoints, err := u.endpoints(u.Endpoints)
	if err != nil {
		return nil, err
	}
	made := upstream.Config{
		Endpoints: endpoints, TLS: u.TLS, FindInterval: u.FindInterval, Logger: cfg.Logger,
		KeepAliveTime: u.KeepAliveTime, KeepAliveTimeout: u.KeepAliveTimeout, PermitWithoutStream: u.PermitWithoutStream,
		ReceiveBytesMax: u.ReceiveBytesMax, RequestTimeout: cfg.RequestTimeout,
	}
	if made.ReceiveBytesMax == 0 {
		made.ReceiveBytesMax = math.MaxInt32
	}
	var cluster *upstream.Cluster
	find := u.Find
	if u.FollowMembers {
		find = func(ctx context.Context) ([]string, error) { return clientURLs(ctx, cluster) }
	}
	if find != nil {
		made.Find = func(ctx context.Context) ([]upstream.Endpoint, error) {
			texts, err := find(ctx)
			if err != nil {
				return nil, err
			}
			return u.endpoints(texts)
		}
	}
	cluster = upstream.New(made)
	return cluster, nil
}

// clientURLs asks the cluster where its members serve clients.
func clientURLs(ctx context.Context, cluster *upstream.Cluster) ([]string, error) {
	answer := new(etcdserverpb.MemberListResponse)
	err := cluster.Invoke(ctx, etcdserverpb.Cluster_MemberList_FullMethodName, &etcdserverpb.MemberListRequest{Linearizable: true}, answer)
	if err != nil {
		return nil, fmt.Errorf("list the members: %w", err)
	}
	var urls []string
	for _, m := range answer.GetMembers() {
		if !m.GetIsLearner() {
			urls = append(urls, m.GetClientURLs()...)
		}
	}
	return urls, nil
}
