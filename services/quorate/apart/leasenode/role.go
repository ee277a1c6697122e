// Package leasenode is the role of a lease service that runs apart. Any number of them may run; one is active.
package leasenode

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/quoratedb/quorate/pkg/rpc/resolver"
	"github.com/quoratedb/quorate/pkg/rpc/validation"
	"github.com/quoratedb/quorate/services/consensus/remote"
	"github.com/quoratedb/quorate/services/lease"
	leaserpc "github.com/quoratedb/quorate/services/lease/rpc"
	"github.com/quoratedb/quorate/services/quorate/apart/node"
	"github.com/quoratedb/quorate/services/quorate/apart/program"
	"github.com/quoratedb/quorate/services/quorate/apart/settings"
	"github.com/quoratedb/quorate/services/quorate/commandline"
)

// New makes the role.
func New() program.Role { return &role{} }

type role struct{ consensus []string }

// Flags implements program.Role.
func (r *role) Flags(s *settings.Settings) {
	s.Group("Lease", func(fs *flag.FlagSet) {
		s.Listen(fs)
		s.Endpoints(fs, "consensus-endpoints", &r.consensus, "URLs of the members, quorate-consensus. A host name may have several addresses.")
		commandline.Register(fs, &s.Config, "heartbeat-interval", "election-timeout")
		fs.Lookup("heartbeat-interval").Usage = "That of the members, in milliseconds."
		fs.Lookup("election-timeout").Usage = "That of the members, in milliseconds. The shortest lease is one and a half of it, in full seconds."
	})
}

// Validate implements program.Role.
func (r *role) Validate(s *settings.Settings) error {
	return errors.Join(s.Config.ValidateNode(), s.Config.ValidateTiming())
}

// Open implements program.Role.
func (r *role) Open(_ context.Context, n *node.Node) error {
	c := n.Settings.Config
	members, err := resolver.New(resolver.Config{Endpoints: r.consensus, TLS: n.ClientTLS, Logger: n.Logger})
	if err != nil {
		return fmt.Errorf("--consensus-endpoints: %w", err)
	}
	store := remote.New(members, c.RequestTimeout(), n.Logger)
	service, err := lease.New(lease.Config{
		Consensus:  store,
		Holder:     c.Name,
		Standby:    true,
		MinTTL:     lease.MinTTL(c.ElectionTimeout, c.HeartbeatInterval),
		Logger:     n.Logger,
		Registerer: n.Metrics,
	})
	if err != nil {
		return err
	}
	n.Start("members", store.Run, nil)
	n.Start("lease", service.Run, nil)
	n.Start("replacements", func(ctx context.Context) error { return store.FollowReplacements(ctx, service.StoreReplaced) }, nil)
	n.Start("standby", func(ctx context.Context) error { return service.StandBy(ctx, store) }, nil)
	n.Handle(leaserpc.NewHandler(service, validation.Check))
	n.Check("leader_is_known", func(context.Context) error {
		if leader, reached, _ := store.Leader(); !reached {
			return errors.New("no member can be reached")
		} else if leader == 0 {
			return errors.New("the members have no leader")
		}
		return nil
	})
	return nil
}
