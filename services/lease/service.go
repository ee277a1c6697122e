package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/pkg/errdefs"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

// Service counts leases down. Its methods may be called concurrently, also before Run, and then wait for it.
//
// Requests fail with errdefs.ErrNoLeader while the service stands by, with errdefs.ErrLeaderChanged when it began to
// while they were under way, with errdefs.ErrTimeout when it could not be sure of its epoch within
// Config.RequestTimeout, with errdefs.ErrStopped after Run, with the end of their context, and with what the
// consensus service refused.
type Service struct {
	core *core
	log  *slog.Logger

	// What Run does: acquire an epoch, and work under it.
	acquirer     *acquirer
	confirmer    *confirmer
	expirer      *expirer
	checkpointer *checkpointer
	reconciler   *reconciler

	// Who answers requests.
	changer *changer
	renewer *renewer
	reader  *reader
}

// New makes a lease service; Run makes it work. It fails if the configuration is wrong or metrics of these names are
// registered already.
func New(cfg Config) (*Service, error) {
	cfg, err := cfg.validated()
	if err != nil {
		return nil, err
	}
	core := newCore(lessor.Config{MinTTL: cfg.MinTTL, CheckpointInterval: cfg.CheckpointInterval, Standby: cfg.Standby})
	metrics, err := newMetrics(cfg.Registerer, core)
	if err != nil {
		return nil, fmt.Errorf("lease: metrics: %w", err)
	}
	store := &proposer{core: core, consensus: cfg.Consensus, timeout: cfg.RequestTimeout, unknown: metrics.unknown}
	epoch := &confirmer{core: core, store: store}
	reconciler := &reconciler{core: core, consensus: cfg.Consensus, interval: cfg.ReconcileInterval, timeout: cfg.RequestTimeout, log: cfg.Logger}
	return &Service{
		core: core, log: cfg.Logger,
		acquirer:  &acquirer{core: core, store: store, reconciler: reconciler, holder: cfg.Holder, log: cfg.Logger},
		confirmer: epoch,
		expirer: &expirer{
			core: core, store: store, metrics: metrics, log: cfg.Logger,
			leasesMax: cfg.RevokeLeasesMax, inFlightMax: cfg.RevokesInFlightMax,
		},
		checkpointer: &checkpointer{core: core, store: store, metrics: metrics, log: cfg.Logger, interval: cfg.CheckpointInterval},
		reconciler:   reconciler,
		changer:      &changer{core: core, store: store, epoch: epoch, metrics: metrics, minTTL: cfg.MinTTL, timeout: cfg.RequestTimeout},
		renewer:      &renewer{core: core, store: store, epoch: epoch, metrics: metrics, timeout: cfg.RequestTimeout},
		reader:       &reader{core: core, store: store, epoch: epoch, timeout: cfg.RequestTimeout, lists: make(chan struct{}, listsMax)},
	}, nil
}

// Run acquires an epoch and counts leases down until ctx ends; it returns nil then. When another holder takes over it
// stays, standing by, until TakeOver. It must be called once.
func (s *Service) Run(ctx context.Context) error {
	defer s.core.step(func(l *lessor.Lessor, _ lessor.Moment) { l.Stop() })
	for ctx.Err() == nil {
		if status, _ := s.core.status(); status.Role == lessor.Standby {
			select {
			case <-s.core.takeOver:
			case <-ctx.Done():
			}
			continue
		}
		epoch, err := s.serve(ctx)
		if ctx.Err() != nil {
			break
		}
		next := (*lessor.Lessor).StandBy
		switch {
		case errors.Is(err, lessor.ErrSteppedDown):
			s.log.Info("the leases are counted down elsewhere; standing by", slog.Uint64("epoch", epoch))
			continue
		case errors.Is(err, lessor.ErrRolledBack):
			s.log.Error("the leases that are counted down here are no longer the store's; standing by", slog.Uint64("epoch", epoch), slog.Any("error", err))
		case errors.Is(err, lessor.ErrFenced):
			s.log.Warn("another lease holder took over; standing by", slog.Uint64("epoch", epoch))
		default:
			// Something proposed under the epoch may or may not take effect, now or later. The next epoch settles it.
			s.log.Warn("lease epoch is given up for a new one", slog.Uint64("epoch", epoch), slog.Any("error", err))
			next = (*lessor.Lessor).Reacquire
		}
		s.core.step(func(l *lessor.Lessor, _ lessor.Moment) { next(l) })
	}
	return nil
}

// serve acquires an epoch and works under it, until ctx ends, another holder takes over (lessor.ErrFenced), StepDown is called
// (lessor.ErrSteppedDown), the store has forgotten the epoch (lessor.ErrRolledBack), or the outcome of something is unknown. It
// returns the last epoch that it held.
func (s *Service) serve(ctx context.Context) (epoch uint64, err error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	known, wanted := s.core.begin(end)
	if !wanted {
		return known, lessor.ErrSteppedDown
	}
	epoch, err = s.acquirer.acquire(ctx, known)
	if err == nil {
		err = s.work(ctx, epoch)
	}
	for _, cause := range []error{lessor.ErrSteppedDown, lessor.ErrFenced, lessor.ErrRolledBack} {
		if errors.Is(context.Cause(ctx), cause) {
			err = context.Cause(ctx)
		}
	}
	return max(epoch, known), err
}

// work counts leases down under an epoch until ctx ends, another holder takes over (lessor.ErrFenced), or the outcome of something
// proposed under it is unknown.
func (s *Service) work(ctx context.Context, epoch uint64) error {
	if err := s.core.activate(ctx, epoch); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.expirer.run(gctx, epoch) })
	g.Go(func() error { return s.checkpointer.run(gctx, epoch) })
	g.Go(func() error { return s.reconciler.run(gctx) })
	g.Go(func() error { return s.confirmer.run(gctx) })
	g.Go(func() error { return endUnknown(gctx, s.core) })
	err := g.Wait()
	if errors.Is(err, errdefs.ErrStaleEpoch) {
		return lessor.ErrFenced
	}
	return err
}

// StepDown makes the service stand by until the next TakeOver. It is for who knows that the leases should be counted down
// elsewhere: otherwise this service would acquire a new epoch when the outcome of something is unknown, and take the leases
// away from the next holder if that has acquired none yet.
func (s *Service) StepDown() {
	s.core.step(func(l *lessor.Lessor, _ lessor.Moment) { l.StepDown(lessor.ErrSteppedDown) })
}

// StoreReplaced makes the service forget everything and stand by until the next TakeOver: the store turned out to be another one,
// or to have been restored from an earlier state.
func (s *Service) StoreReplaced() {
	s.core.step(func(l *lessor.Lessor, _ lessor.Moment) { l.StepDown(lessor.ErrRolledBack) })
}

// TakeOver makes a service that stands by acquire the epoch, whoever holds it. It does nothing to one that does not.
func (s *Service) TakeOver() { s.core.step(func(l *lessor.Lessor, _ lessor.Moment) { l.TakeOver() }) }

// Active tells whether the service holds the newest epoch, so far as it knows.
func (s *Service) Active() bool {
	_, active, _ := s.Standing()
	return active
}

// Standing returns the newest epoch that the service acquired, whether it holds it, so far as it knows, and a channel
// that is closed when that changes.
func (s *Service) Standing() (epoch uint64, active bool, changed <-chan struct{}) {
	status, turned := s.core.status()
	return status.Epoch, status.Role == lessor.Active, turned
}

// Grant creates a lease. Less time than Config.MinTTL is raised to that. It fails with errdefs.ErrLeaseTTLTooLarge
// above TTLMax and with errdefs.ErrLeaseExists when the id is taken.
func (s *Service) Grant(ctx context.Context, req *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	return s.changer.grant(ctx, req)
}

// Revoke ends a lease and deletes its keys. It fails with errdefs.ErrLeaseNotFound when there is none. When the
// outcome of a revoke is unknown, the lease will be revoked for certain.
func (s *Service) Revoke(ctx context.Context, req *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
	return s.changer.revoke(ctx, req)
}

// KeepAlive gives leases all their time again and answers how much that is, in the order of the request, 0 for those
// that do not exist. What it answers is promised: no take-over expires the lease earlier.
//
// It touches no log, but for long leases whose remaining time was recorded since their last keep-alive: the record is
// cleared first. A lease that has expired is renewed as long as nobody has proposed to revoke it; from then on
// KeepAlive waits for the outcome. With NoWait, what would have to wait for one or the other is answered with -1 instead.
func (s *Service) KeepAlive(ctx context.Context, req *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
	return s.renewer.keepAlive(ctx, req)
}

// TimeToLive tells the whole seconds that a lease has left, 0 once it has expired, -1 when there is none; and, when
// asked, its keys. It is linearizable.
func (s *Service) TimeToLive(ctx context.Context, req *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
	return s.reader.timeToLive(ctx, req)
}

// List names all leases, those that expire first first. It is linearizable. Of those beyond listsMax each waits for one to end.
func (s *Service) List(ctx context.Context, _ *leasev1.ListRequest) (*leasev1.ListResponse, error) {
	return s.reader.list(ctx)
}
