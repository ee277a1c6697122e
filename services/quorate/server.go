package quorate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/quoratedb/quorate/services/quorate/config"
	"github.com/quoratedb/quorate/services/quorate/internal/member"
	"github.com/quoratedb/quorate/services/quorate/internal/supervisor"
)

// errClosed is the cause of a stop by Close.
var errClosed = errors.New("closed")

// Server is a running store. Its methods may be called concurrently.
type Server struct {
	parts *parts
	stop  func()
	ready chan struct{} // closed once clients are served
	done  chan struct{} // closed once everything has ended
	err   error         // why it ended, set when done is closed
}

// Start checks the configuration, opens listeners and data, and runs the store until ctx ends, Close is called or a
// part of it fails. It returns once clients are served.
//
// Errors are those of Config.Validate, ErrEtcdData, ErrBootstrapped, those of opening listeners and data (consensus.ErrForeignData among
// them), and the cause of ctx. Nothing is left running or open then.
func Start(ctx context.Context, c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	parts, err := open(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := func() { cancel(errClosed) }
	s := &Server{parts: parts, stop: stop, ready: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = s.run(ctx, c)
	}()
	select {
	case <-s.ready:
		return s, nil
	case <-s.done:
	}
	select {
	case <-s.ready: // it was up, and stopped at once
		return s, nil
	default:
		stop()
		return nil, s.err
	}
}

// run owns everything that runs. See DESIGN.md for why the order is what it is.
func (s *Server) run(ctx context.Context, c Config) error {
	p := s.parts
	services := supervisor.New(servicesCount)
	services.Start("health and metrics", p.monitor.Run)
	err := p.assemble(ctx, c)
	if err == nil {
		err = s.bringUp(ctx, services)
	}
	if err == nil {
		p.log.Info("ready to serve client requests", "addresses", strings.Join(s.ClientURLs(), ","))
		close(s.ready)
		select {
		case <-ctx.Done():
			p.log.Info("stopping", "cause", context.Cause(ctx))
		case err = <-services.Failed:
			p.log.Error("a service failed, stopping", "error", err)
		}
	}
	err = errors.Join(err, services.Stop(), p.close())
	if err == nil {
		p.log.Info("stopped")
	}
	return err
}

// servicesCount is how many services run and bringUp start.
const servicesCount = 12

// bringUp starts the services, each once those it stands on are ready. It fails if one of them does, or ctx ends on the way.
func (s *Server) bringUp(ctx context.Context, services *supervisor.Supervisor) error {
	p := s.parts
	p.log.Info("starting",
		"local-member-id", fmt.Sprintf("%x", p.member.MemberID()),
		"cluster-id", fmt.Sprintf("%x", p.member.ClusterID()),
		"name", p.name,
		"data-dir", p.dataDir)
	services.Start("peers", func(ctx context.Context) error { return p.peers.Run(ctx, p.member) })
	services.Start("consensus", p.member.Run)
	services.Start("waiting", func(ctx context.Context) error { return p.peers.TellWhoIsMissing(ctx, p.member, p.log) })
	if err := await(ctx, services, p.member.Ready()); err != nil {
		return err
	}
	p.peers.Await(ctx)
	services.Start("hand-over", func(ctx context.Context) error { return member.HandOver(ctx, p.member, p.log) })
	if p.audit != nil {
		services.Start("audit log", func(ctx context.Context) error { p.audit.Run(ctx); return nil })
	}
	services.Start("watch", p.watch.Run)
	if err := await(ctx, services, p.watch.Listening()); err != nil {
		return err
	}
	services.Start("lease", p.lease.Run)
	services.Start("leadership", func(ctx context.Context) error { return p.lease.FollowLeader(ctx, p.member) })
	services.Start("leader-stream", p.leases.Run)
	services.Start("api", p.api.Run)
	if p.promote {
		services.Start("promotion", func(ctx context.Context) error { return p.peers.PromoteWhenCaughtUp(ctx, p.member, p.log) })
	}
	return nil
}

// await waits for a service to be ready, unless one fails or ctx ends before.
func await(ctx context.Context, services *supervisor.Supervisor, ready <-chan struct{}) error {
	select {
	case <-ready:
		return nil
	case err := <-services.Failed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("stopped before it was ready: %w", context.Cause(ctx))
	}
}

// ClientURLs is where clients are served: Config.ListenClientURLs, ListenClientHTTPURLs and ListenLegacyURLs, with the ports that
// are really used.
func (s *Server) ClientURLs() []string { return config.URLTexts(s.parts.clients.Clients) }

// MetricsURLs is Config.ListenMetricsURLs with the ports that are really used.
func (s *Server) MetricsURLs() []string { return config.URLTexts(s.parts.clients.Monitors) }

// Done is closed once the store has ended, for whatever reason.
func (s *Server) Done() <-chan struct{} { return s.done }

// Wait returns once the store has ended: nil after a stop that was asked for, otherwise what failed.
func (s *Server) Wait() error {
	<-s.done
	return s.err
}

// Close stops the store and returns what Wait does. It may be called twice.
func (s *Server) Close() error {
	s.stop()
	return s.Wait()
}
