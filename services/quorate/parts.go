package quorate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.etcd.io/etcd/api/v3/version"

	"github.com/quoratedb/quorate/services/api"
	"github.com/quoratedb/quorate/services/consensus"
	"github.com/quoratedb/quorate/services/lease"
	"github.com/quoratedb/quorate/services/watch"
)

// parts are what a store is made of, open but not running.
type parts struct {
	name     string
	dataDir  string
	log      *slog.Logger
	closeLog func() error
	metrics  *prometheus.Registry

	clients  []*endpoint
	monitors []*endpoint

	peers  *peers
	member *consensus.Member
	watch  *watch.Service
	lease  *lease.Service
	api    *api.Server
}

// open opens what the configuration names, in the order in which mistakes are cheap to find: certificates, then
// listeners, then data. If one fails, what was opened is closed.
func open(config Config) (*parts, error) {
	p := &parts{name: config.Name, dataDir: config.dataDir()}
	if err := p.open(config); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *parts) open(config Config) (err error) {
	if p.log, p.closeLog, err = config.OpenLog(); err != nil {
		return err
	}
	if err := config.checkDataDir(); err != nil {
		return err
	}
	secrets, err := config.clientTLS()
	if err != nil {
		return err
	}
	if p.clients, err = listen("listen-client-urls", config.ListenClientURLs); err != nil {
		return err
	}
	more, err := listen("listen-client-http-urls", config.ListenClientHTTPURLs)
	p.clients = append(p.clients, more...)
	if err != nil {
		return err
	}
	legacy, err := listen("listen-legacy-urls", config.ListenLegacyURLs)
	p.clients = append(p.clients, legacy...)
	if err != nil {
		return err
	}
	if p.monitors, err = listen("listen-metrics-urls", config.ListenMetricsURLs); err != nil {
		return err
	}
	p.metrics = config.Metrics
	if p.metrics == nil {
		p.metrics = prometheus.NewRegistry()
		p.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	if p.peers, err = openPeers(config, p); err != nil {
		return err
	}
	return p.assemble(config, secrets)
}

// assemble makes the services and wires them to each other by direct calls.
func (p *parts) assemble(config Config, secrets *tls.Config) (err error) {
	if p.member, err = p.newMember(config); err != nil {
		return err
	}
	p.watch, err = watch.New(watch.Config{
		Feed:             p.member,
		ProgressInterval: config.WatchProgressNotifyInterval,
		Logger:           p.log,
		Registerer:       p.metrics,
	})
	if err != nil {
		return err
	}
	p.lease, err = lease.New(lease.Config{
		Consensus:  p.member,
		Holder:     fmt.Sprintf("%x", p.member.MemberID()),
		Standby:    true, // until this member leads
		MinTTL:     lease.MinTTL(config.ElectionTimeout, config.HeartbeatInterval),
		Logger:     p.log,
		Registerer: p.metrics,
	})
	if err != nil {
		return err
	}
	p.mount()
	p.api, err = api.New(p.apiConfig(config, secrets))
	return err
}

func (p *parts) apiConfig(config Config, secrets *tls.Config) api.Config {
	leader := leading{p.member, p.peers.transport}
	made := api.Config{
		Consensus:            promoting{p.member, leader},
		Lease:                leadersLeases{leader, p.lease},
		Watch:                p.watch,
		Logger:               p.log,
		Registerer:           p.metrics,
		Gatherer:             p.metrics,
		TLS:                  secrets,
		MaxRequestBytes:      config.MaxRequestBytes,
		MaxTxnOps:            config.MaxTxnOps,
		MaxConcurrentStreams: config.MaxConcurrentStreams,
		RequestTimeout:       requestTimeoutBase + 2*config.ElectionTimeout,
		KeepAliveMinTime:     zeroIsOff(config.GRPCKeepAliveMinTime),
		KeepAliveInterval:    zeroIsOff(config.GRPCKeepAliveInterval),
		KeepAliveTimeout:     zeroIsOff(config.GRPCKeepAliveTimeout),
		CORS:                 config.CORS,
		Versions:             api.Versions{Server: version.Version},
	}
	if config.EnableV2 {
		made.Tree = p.member
	}
	for _, client := range p.clients {
		if secure(client.url) {
			made.TLSListeners = append(made.TLSListeners, client)
		} else {
			made.Listeners = append(made.Listeners, client)
		}
	}
	for _, monitor := range p.monitors {
		made.MetricsListeners = append(made.MetricsListeners, monitorListener(monitor, secrets))
	}
	return made
}

// requestTimeoutBase is how long queues and disks may hold up a request; elections come on top. Both are as in etcd.
const requestTimeoutBase = 5 * time.Second

// monitorListener speaks TLS by itself where its URL wants that. Health checks and scrapes need no HTTP/2.
func monitorListener(monitor *endpoint, secrets *tls.Config) net.Listener {
	if !secure(monitor.url) {
		return monitor
	}
	secrets = secrets.Clone()
	secrets.NextProtos = []string{"http/1.1"}
	return tls.NewListener(monitor, secrets)
}

func zeroIsOff(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// founding is the cluster as the configuration describes it, or as its members do where it exists and this one is new.
func (p *parts) founding(config Config) (founding, error) {
	if config.InitialClusterState == ClusterExisting && !exists(filepath.Join(config.dataDir(), "member", "log")) {
		_, client, err := config.peerTLS()
		if err != nil {
			return founding{}, err
		}
		return config.joining(context.Background(), client)
	}
	founders, err := config.founders()
	if err != nil {
		return founding{}, fmt.Errorf("--initial-cluster=%s: %w", config.InitialCluster, err)
	}
	return founders, nil
}

func (p *parts) newMember(config Config) (*consensus.Member, error) {
	founders, err := p.founding(config)
	if err != nil {
		return nil, err
	}
	age, revisions, err := config.retention()
	if err != nil {
		return nil, err
	}
	token := config.InitialClusterToken
	if token == consensus.DefaultClusterToken {
		token = "" // probably not said at all: a directory of any cluster is fine then
	}
	advertised := config.AdvertiseClientURLs
	if len(advertised) == 0 {
		advertised = urlTexts(p.clients)
	}
	member, err := consensus.New(consensus.Config{
		DataDir:            config.dataDir(),
		Name:               config.Name,
		ClientURLs:         advertised,
		ClusterID:          founders.clusterID,
		MemberID:           founders.memberID,
		ClusterToken:       token,
		Members:            founders.members,
		Join:               founders.join,
		Transport:          p.peers.transport,
		LaxReconfiguration: !config.StrictReconfigCheck,
		HeartbeatInterval:  config.HeartbeatInterval,
		ElectionTicks:      int(config.ElectionTimeout / config.HeartbeatInterval),
		SnapshotCount:      orDefault(config.SnapshotCount, DefaultConfig().SnapshotCount),
		QuotaBytes:         max(config.QuotaBackendBytes, 0),
		AutoCompaction:     consensus.AutoCompaction{Retention: age, Revisions: revisions},
		Logger:             p.log,
		Registerer:         p.metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("--data-dir=%s: %w", config.dataDir(), err)
	}
	return member, nil
}

// close closes what is open. Services that ran have closed theirs already, which does no harm.
func (p *parts) close() error {
	var problems []error
	closeAll(p.clients)
	closeAll(p.monitors)
	if p.peers != nil {
		closeAll(p.peers.endpoints)
	}
	if p.member != nil {
		problems = append(problems, p.member.Close())
	}
	if p.closeLog != nil {
		problems = append(problems, p.closeLog())
	}
	return errors.Join(problems...)
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}
