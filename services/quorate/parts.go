package quorate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/pkg/descriptors"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/logging"
	"github.com/quoratedb/quorate/pkg/processmetrics"
	"github.com/quoratedb/quorate/pkg/tracing/otlp"
	"github.com/quoratedb/quorate/services/api"
	"github.com/quoratedb/quorate/services/api/port"
	"github.com/quoratedb/quorate/services/consensus"
	consensusremote "github.com/quoratedb/quorate/services/consensus/remote"
	consensusrpc "github.com/quoratedb/quorate/services/consensus/rpc"
	"github.com/quoratedb/quorate/services/lease"
	leaseremote "github.com/quoratedb/quorate/services/lease/remote"
	leaserpc "github.com/quoratedb/quorate/services/lease/rpc"
	"github.com/quoratedb/quorate/services/quorate/config"
	"github.com/quoratedb/quorate/services/quorate/internal/clients"
	"github.com/quoratedb/quorate/services/quorate/internal/member"
	"github.com/quoratedb/quorate/services/quorate/internal/natsusers"
	"github.com/quoratedb/quorate/services/watch"
)

// parts are what a store is made of. The services are there once assemble has made them.
type parts struct {
	name    string
	dataDir string
	log     *slog.Logger
	outputs *logging.Outputs // of log
	traces  *otlp.Exporter   // nil where none is made
	metrics *prometheus.Registry
	promote bool // Config.PromoteWhenCaughtUp

	budget  descriptors.Budget
	clients *clients.Side
	monitor *api.Monitor
	peers   *member.Peers
	member  *consensus.Member
	watch   *watch.Service
	lease   *lease.Service
	leases  *leaseremote.LeaderClient // lease's, or the leader's
	api     *api.Server
	audit   *api.AuditLog // nil where no line is written
}

// open opens what the configuration names, in the order in which mistakes are cheap to find: certificates, then
// listeners. If one fails, what was opened is closed. The data is opened by assemble, which may take its time.
func open(c Config) (*parts, error) {
	p := &parts{name: c.Name, dataDir: c.Directory(), promote: c.PromoteWhenCaughtUp}
	if err := p.open(c); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *parts) open(c Config) (err error) {
	if p.log, p.outputs, err = c.OpenLog(); err != nil {
		return err
	}
	if err := c.CheckDirectory(); err != nil {
		return err
	}
	if p.traces, err = otlp.Start(context.Background(), c.Tracing, p.log); err != nil {
		return err
	}
	if p.clients, err = clients.Open(c, p.log); err != nil {
		return err
	}
	p.metrics = c.Metrics
	if p.metrics == nil {
		p.metrics = processmetrics.NewRegistry()
	}
	if p.budget, err = descriptors.Ours(); err != nil {
		return err
	}
	if advice := p.budget.Advice(); advice != "" {
		p.log.Warn(advice)
	}
	c.Audit.Logger, c.Audit.Registerer = p.log, p.metrics
	if p.audit, err = api.OpenAudit(c.Audit); err != nil {
		return err
	}
	if p.peers, err = member.OpenPeers(c, p.log, p.metrics, p.budget); err != nil {
		return err
	}
	p.monitor = p.clients.Monitor(p.log, p.metrics, p.budget, false)
	return nil
}

// assemble opens the data, makes the services and wires them to each other by direct calls.
func (p *parts) assemble(ctx context.Context, c Config) (err error) {
	advertised := c.AdvertiseClientURLs
	if len(advertised) == 0 {
		advertised = config.URLTexts(p.clients.Clients)
	}
	if p.member, err = member.New(ctx, c, advertised, p.peers, p.log, p.metrics, p.budget); err != nil {
		return err
	}
	users, err := natsusers.Of(c, p.member.Auth, p.audit, p.log, p.budget)
	if err != nil {
		return err
	}
	p.watch, err = watch.New(watch.Config{
		Feed:             p.member,
		Users:            users,
		FollowUsers:      natsusers.Follow(p.member.Auth, p.log),
		ProgressInterval: c.WatchProgressNotifyInterval,
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
		MinTTL:     lease.MinTTL(c.ElectionTimeout, c.HeartbeatInterval),
		Logger:     p.log,
		Registerer: p.metrics,
	})
	if err != nil {
		return err
	}
	p.mount()
	p.leases = leaseremote.NewLeaderClient(p.member, p.peers.Transport, p.lease)
	p.api, err = api.New(p.apiConfig(c))
	return err
}

func (p *parts) apiConfig(c Config) api.Config {
	made := p.clients.Config(c, p.log, p.metrics, p.budget)
	made.Consensus, made.Lease, made.Watch = store{p.member, p.member, p.peers.Transport}, p.leases, p.watch
	made.Members = members{p.member, p.peers.Transport}
	made.Auth, made.Quotas, made.Inspector, made.Audit = p.member.Auth, p.member.Quotas, p.member.Inspector, p.audit
	if c.EnableV2 {
		made.Tree = p.member
	}
	return made
}

// mount offers the other members what only this one may be able to do.
func (p *parts) mount() {
	path, handler := consensusrpc.NewHandler(p.member, p.member.Auth, p.member.Quotas, p.member.Inspector, nil)
	p.peers.Mount(path, handler)
	path, handler = leaserpc.NewHandler(p.lease, nil)
	p.peers.Mount(path, handler)
}

// store is the consensus port of the API: this member, but for promotions, which are the leader's.
type store struct {
	port.Consensus
	member *consensus.Member
	peers  consensusremote.Peers
}

var _ port.Consensus = store{}

// PromoteMember is served by the leader.
func (s store) PromoteMember(ctx context.Context, r *consensusv1.PromoteMemberRequest) (*consensusv1.PromoteMemberResponse, error) {
	return consensusremote.Promoter{Member: s.member, Peers: s.peers}.PromoteMember(ctx, r)
}

// members are the members one by one: this one, and others by the transport between members.
type members struct {
	member *consensus.Member
	peers  consensusremote.Peers
}

var _ port.Members = members{}

// MemberStatus implements port.Members.
func (m members) MemberStatus(ctx context.Context, id uint64) (*consensusv1.StatusResponse, error) {
	return consensusremote.StatusOf(ctx, m.member, m.peers, id)
}

// MoveLeader implements port.Members.
func (m members) MoveLeader(ctx context.Context, r *consensusv1.MoveLeaderRequest) (*consensusv1.MoveLeaderResponse, error) {
	return consensusremote.MoveLeader(ctx, m.member, m.peers, r)
}

// close closes what is open. Services that ran have closed theirs already, which does no harm.
func (p *parts) close() error {
	var problems []error
	if p.clients != nil {
		p.clients.Close()
	}
	if p.peers != nil {
		p.peers.Close()
	}
	if p.member != nil {
		problems = append(problems, p.member.Close())
	}
	problems = append(problems, p.audit.Close())
	p.traces.Close()
	if p.outputs != nil {
		problems = append(problems, p.outputs.Close())
	}
	return errors.Join(problems...)
}
