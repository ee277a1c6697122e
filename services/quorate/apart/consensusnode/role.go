// Package consensusnode is the role of a member that runs apart: the replicated store with its side towards the other
// members, served to the other services. Clients come to the API's nodes.
package consensusnode

import (
	"context"
	"flag"
	"fmt"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/validation"
	"github.com/quoratedb/quorate/services/consensus"
	consensusrpc "github.com/quoratedb/quorate/services/consensus/rpc"
	"github.com/quoratedb/quorate/services/quorate/apart/node"
	"github.com/quoratedb/quorate/services/quorate/apart/program"
	"github.com/quoratedb/quorate/services/quorate/apart/settings"
	"github.com/quoratedb/quorate/services/quorate/commandline"
	"github.com/quoratedb/quorate/services/quorate/internal/grpclogs"
	"github.com/quoratedb/quorate/services/quorate/internal/member"
)

// New makes the role.
func New() program.Role { return &role{} }

type role struct{}

// Flags implements program.Role: quorate's, without those of the clients' side.
func (*role) Flags(s *settings.Settings) {
	s.Group("Member", func(fs *flag.FlagSet) {
		commandline.Register(fs, &s.Config,
			"data-dir", "listen-peer-urls", "snapshot-count", "heartbeat-interval", "election-timeout",
			"quota-backend-bytes", "disk-soft-mark-bytes", "disk-hard-mark-bytes", "auto-compaction-mode", "auto-compaction-retention", "corrupt-check-time", "feature-gates",
			"auth-token-ttl", "bcrypt-cost", "warning-apply-duration")
		s.Listen(fs)
	})
	s.Group("Clustering", func(fs *flag.FlagSet) {
		commandline.Register(fs, &s.Config,
			"initial-advertise-peer-urls", "initial-cluster", "initial-cluster-state", "initial-cluster-token",
			"strict-reconfig-check", "auth-compact-root", "force-new-cluster", "promote-when-caught-up")
		commandline.Register(fs, &s.Config, "advertise-client-urls")
		fs.Lookup("advertise-client-urls").Usage = "Where clients reach the API's nodes, as the member list tells them."
	})
	s.Group("Discovery of the first members", func(fs *flag.FlagSet) { commandline.RegisterDiscovery(fs, &s.Config) })
	s.Group("Security between members", func(fs *flag.FlagSet) {
		commandline.Register(fs, &s.Config,
			"peer-cert-file", "peer-key-file", "peer-client-cert-file", "peer-client-key-file", "peer-client-cert-auth", "peer-trusted-ca-file", "peer-crl-file",
			"peer-cert-allowed-cn", "peer-cert-allowed-hostname", "peer-auto-tls", "self-signed-cert-validity",
			"cipher-suites", "tls-min-version", "tls-max-version")
	})
}

// Validate implements program.Role.
func (*role) Validate(s *settings.Settings) error { return s.Config.ValidateMember() }

// Open implements program.Role.
func (*role) Open(ctx context.Context, n *node.Node) error {
	c := n.Settings.Config
	grpclogs.Take(n.Logger)
	if err := c.CheckDirectory(); err != nil {
		return err
	}
	peers, err := member.OpenPeers(c, n.Logger, n.Metrics, n.Budget)
	if peers != nil {
		n.OnClose(func() error { peers.Close(); return nil })
	}
	if err != nil {
		return err
	}
	m, err := member.New(ctx, c, c.AdvertiseClientURLs, peers, n.Logger, n.Metrics, n.Budget)
	if err != nil {
		return err
	}
	n.OnClose(m.Close)
	n.Logger.Info("starting",
		"local-member-id", fmt.Sprintf("%x", m.MemberID()), "cluster-id", fmt.Sprintf("%x", m.ClusterID()),
		"name", c.Name, "data-dir", c.Directory())
	n.Start("peers", func(ctx context.Context) error { return peers.Run(ctx, m) }, nil)
	n.Start("waiting", func(ctx context.Context) error { return peers.TellWhoIsMissing(ctx, m, n.Logger) }, nil)
	n.Start("consensus", m.Run, m.Ready())
	if n.Settings.InternalTLS.CertFile == "" {
		n.Start("callers", func(ctx context.Context) error { return warnOfCallers(ctx, m.Auth, n.Logger) }, nil)
	}
	n.Start("hand-over", func(ctx context.Context) error { return member.HandOver(ctx, m, n.Logger) }, nil)
	if c.PromoteWhenCaughtUp {
		n.Start("promotion", func(ctx context.Context) error { return peers.PromoteWhenCaughtUp(ctx, m, n.Logger) }, nil)
	}
	peers.Mount(consensusrpc.NewHandler(m, m.Auth, m.Quotas, m.Inspector, validation.Check))
	n.Handle(consensusrpc.NewHandler(m, m.Auth, m.Quotas, m.Inspector, validation.Check))
	n.Handle(consensusrpc.NewTreeHandler(m, validation.Check))
	n.Handle(consensusrpc.NewAuthHandler(m.Auth, validation.Check))
	n.Handle(consensusrpc.NewQuotasHandler(m.Quotas, validation.Check))
	n.Handle(consensusrpc.NewInspectHandler(m.Inspector, validation.Check))
	n.Check("linearizable_read", linearizable(m))
	n.Check("data_corruption", uncorrupted(m))
	return nil
}

// uncorrupted tells whether the member's state is to be believed.
func uncorrupted(m *consensus.Member) func(context.Context) error {
	return func(ctx context.Context) error {
		position, err := m.Position(ctx, &consensusv1.PositionRequest{})
		if err == nil && position.GetCorrupt() {
			err = errdefs.ErrCorrupt
		}
		return err
	}
}

// linearizable tells whether the member can answer for the whole cluster.
func linearizable(m *consensus.Member) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := m.ReadIndex(ctx, &consensusv1.ReadIndexRequest{})
		return err
	}
}
