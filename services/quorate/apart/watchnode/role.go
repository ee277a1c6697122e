// Package watchnode is the role of a watch node that runs apart. Any number may run: one ingests the commit feed and
// tells the others over NATS routes, and API nodes spread their clients' watches over all of them.
package watchnode

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"strings"

	"github.com/quoratedb/quorate/pkg/flagset"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
	"github.com/quoratedb/quorate/pkg/rpc/validation"
	"github.com/quoratedb/quorate/services/consensus/remote"
	"github.com/quoratedb/quorate/services/quorate/apart/node"
	"github.com/quoratedb/quorate/services/quorate/apart/program"
	"github.com/quoratedb/quorate/services/quorate/apart/settings"
	"github.com/quoratedb/quorate/services/quorate/commandline"
	"github.com/quoratedb/quorate/services/quorate/internal/natsusers"
	"github.com/quoratedb/quorate/services/watch"
	watchrpc "github.com/quoratedb/quorate/services/watch/rpc"
)

// New makes the role.
func New() program.Role { return &role{listenRoutes: "nats://localhost:6222"} }

type role struct {
	consensus    []string
	listenRoutes string
	routes       []string
}

// Flags implements program.Role.
func (r *role) Flags(s *settings.Settings) {
	s.Group("Watch", func(fs *flag.FlagSet) {
		s.Listen(fs)
		s.Endpoints(fs, "consensus-endpoints", &r.consensus, "URLs of the members, quorate-consensus. A host name may have several addresses.")
		fs.StringVar(&r.listenRoutes, "listen-routes-url", r.listenRoutes, "nats://host:port to serve other watch nodes on.")
		fs.Var(flagset.ListOf(&r.routes), "routes", "nats://host:port of other watch nodes, this one included or not. A host name may have several addresses, which come and go.")
	})
	s.Group("NATS clients", func(fs *flag.FlagSet) {
		commandline.Register(fs, &s.Config, "nats-listen", "nats-user", "nats-password", "nats-cert-file", "nats-key-file")
	})
	s.Group("Audit", func(fs *flag.FlagSet) { commandline.RegisterAudit(fs, &s.Config) })
}

// Validate implements program.Role.
func (r *role) Validate(s *settings.Settings) error {
	wrong := []error{s.Config.ValidateNode(), s.Config.ValidateNATS(), s.Config.Audit.Validate()}
	for _, text := range append([]string{r.listenRoutes}, r.routes...) {
		name := "routes"
		if text == r.listenRoutes {
			name = "listen-routes-url"
		}
		if _, err := address(text); err != nil {
			wrong = append(wrong, fmt.Errorf("--%s=%s: %w", name, text, err))
		}
	}
	return errors.Join(wrong...)
}

// address is the host:port of a nats URL.
func address(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "nats" || u.Hostname() == "" || u.Port() == "" || strings.Trim(u.Path, "/") != "" {
		return "", errors.New("is not of the form nats://host:port")
	}
	return u.Host, nil
}

// Open implements program.Role.
func (r *role) Open(_ context.Context, n *node.Node) error {
	members, err := resolver.New(resolver.Config{Endpoints: r.consensus, TLS: n.ClientTLS, Logger: n.Logger})
	if err != nil {
		return fmt.Errorf("--consensus-endpoints: %w", err)
	}
	store := remote.New(members, n.Settings.Config.RequestTimeout(), n.Logger)
	audit, err := n.Audit()
	if err != nil {
		return err
	}
	users, err := natsusers.Of(n.Settings.Config, store, audit, n.Logger, n.Budget)
	if err != nil {
		return err
	}
	routes := &watch.Routes{}
	if routes.Listen, err = address(r.listenRoutes); err != nil {
		return err
	}
	for _, text := range r.routes {
		peer, err := address(text)
		if err != nil {
			return err
		}
		routes.Peers = append(routes.Peers, peer)
	}
	if n.ServerTLS != nil {
		routes.TLS = watch.RouteTLS(n.ServerTLS, n.ClientTLS, append(routes.Peers, routes.Listen))
	}
	service, err := watch.New(watch.Config{
		Feed:        store,
		Routes:      routes,
		Identity:    store,
		Users:       users,
		FollowUsers: natsusers.Follow(store, n.Logger),
		Logger:      n.Logger,
		Registerer:  n.Metrics,
	})
	if err != nil {
		return err
	}
	n.Start("members", store.Run, nil)
	n.Start("watch", service.Run, nil)
	n.Start("replacements", func(ctx context.Context) error { return store.FollowReplacements(ctx, service.StoreReplaced) }, nil)
	n.Handle(watchrpc.NewHandler(service, validation.Check))
	n.Check("store_is_heard", func(context.Context) error {
		if !service.Well() {
			return errors.New("the members confirm no revision")
		}
		return nil
	})
	return nil
}
