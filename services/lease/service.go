package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// role is what the service may do with leases.
type role int

const (
	// acquiring: not sure to hold the newest epoch. Requests wait for what comes of it.
	acquiring role = iota
	// holding the newest epoch, so far as is known: leases are counted down, requests are answered.
	holding
	// passive: another holder has a newer epoch, or Run was told to stand by. Requests are refused.
	passive
	// stopped for good.
	stopped
)

// errFenced ends a hold because another holder has acquired a newer epoch.
var errFenced = errors.New("another holder has acquired a newer lease epoch")

// errWentBack ends a hold because the store has forgotten its epoch: it is another store, or one that was restored.
var errWentBack = errors.New("the store went back to a state before this lease service acquired its epoch")

// errSteppedDown ends a hold, or the acquisition of one, because StepDown was called.
var errSteppedDown = errors.New("this lease service was told to step down")

// Service counts leases down. Its methods may be called concurrently, also before Run, and then wait for it.
//
// Requests fail with errdefs.ErrNoLeader while the service is passive, with errdefs.ErrLeaderChanged when it became so
// while they were under way, with errdefs.ErrTimeout when it could not be sure of its epoch within
// Config.RequestTimeout, with errdefs.ErrStopped after Run, with the end of their context, and with what the
// consensus service refused.
type Service struct {
	cfg       Config
	consensus Consensus
	log       *slog.Logger
	metrics   *metrics
	clock     clock

	// expireNow, reconcileNow, settleNow and takeOver wake their loops. Each holds at most one wake-up.
	expireNow, reconcileNow, settleNow, takeOver chan struct{}

	// lists holds a place for each List.
	lists chan struct{}

	mu struct {
		sync.Mutex
		table table
		role  role
		// turned is closed, and replaced, when the role changes.
		turned chan struct{}
		// epoch is the newest that this service acquired.
		epoch uint64
		// held is the epoch whose leases the table holds, 0 when the table is worthless.
		held uint64
		// end ends the hold of epoch, or its acquisition. During that hold lasts.
		end    context.CancelCauseFunc
		during context.Context
		// time is what leases are counted down by.
		time countdown
		// seen is the newest position that an answer of the store has shown since this service was passive last.
		seen position
		// compared is when the leases were last compared with the store.
		compared uptime
		// confirming is closed when the confirmation under way ends; nil when there is none.
		confirming chan struct{}
	}
}

// New makes a lease service; Run makes it work. It fails if the configuration is wrong or metrics of these names are
// registered already.
func New(cfg Config) (*Service, error) {
	cfg, err := cfg.validated()
	if err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, consensus: cfg.Consensus, log: cfg.Logger,
		clock:        clockSince(time.Now()),
		expireNow:    make(chan struct{}, 1),
		reconcileNow: make(chan struct{}, 1),
		settleNow:    make(chan struct{}, 1),
		takeOver:     make(chan struct{}, 1),
		lists:        make(chan struct{}, listsMax),
	}
	s.mu.table = newTable(cfg.MinTTL, cfg.CheckpointInterval)
	s.mu.turned = make(chan struct{})
	if cfg.Standby {
		s.mu.role = passive
	}
	if s.metrics, err = newMetrics(cfg.Registerer, s); err != nil {
		return nil, fmt.Errorf("lease: metrics: %w", err)
	}
	return s, nil
}

// Run acquires an epoch and counts leases down until ctx ends; it returns nil then. When another holder takes over it
// stays, passive, until TakeOver. It must be called once.
func (s *Service) Run(ctx context.Context) error {
	defer s.turn(stopped)
	for ctx.Err() == nil {
		if s.role() == passive {
			select {
			case <-s.takeOver:
			case <-ctx.Done():
			}
			continue
		}
		epoch, err := s.serve(ctx)
		if ctx.Err() != nil {
			break
		}
		switch {
		case errors.Is(err, errSteppedDown):
			s.log.Info("the leases are counted down elsewhere; standing by", slog.Uint64("epoch", epoch))
		case errors.Is(err, errWentBack):
			s.log.Error("the leases that are counted down here are no longer the store's; standing by", slog.Uint64("epoch", epoch), slog.Any("error", err))
			s.turn(passive)
		case errors.Is(err, errFenced):
			s.log.Warn("another lease holder took over; standing by", slog.Uint64("epoch", epoch))
			s.turn(passive)
		default:
			// Something proposed under the epoch may or may not take effect, now or later. The next epoch settles it.
			s.log.Warn("lease epoch is given up for a new one", slog.Uint64("epoch", epoch), slog.Any("error", err))
			s.again()
		}
	}
	return nil
}

// serve acquires an epoch and works under it, until ctx ends, another holder takes over (errFenced), StepDown is called
// (errSteppedDown), the store has forgotten the epoch (errWentBack), or the outcome of something is unknown. It returns the last epoch that it held.
func (s *Service) serve(ctx context.Context) (epoch uint64, err error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	s.mu.Lock()
	held := s.mu.held
	if s.mu.role != acquiring {
		s.mu.Unlock()
		return held, errSteppedDown
	}
	s.mu.end = end
	s.mu.Unlock()
	epoch, err = s.acquire(ctx, held)
	if err == nil {
		err = s.hold(ctx, epoch)
	}
	for _, cause := range []error{errSteppedDown, errFenced, errWentBack} {
		if errors.Is(context.Cause(ctx), cause) {
			err = context.Cause(ctx)
		}
	}
	return max(epoch, held), err
}

// StepDown makes the service stand by until the next TakeOver. It is for who knows that the leases should be counted down
// elsewhere: otherwise this service would acquire a new epoch when the outcome of something is unknown, and take the leases
// away from the next holder if that has acquired none yet.
func (s *Service) StepDown() { s.giveUp(errSteppedDown) }

func (s *Service) giveUp(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.role != acquiring && s.mu.role != holding {
		return
	}
	s.turnLocked(passive)
	if s.mu.end != nil {
		s.mu.end(why)
	}
}

// StoreReplaced makes the service forget everything and stand by until the next TakeOver: the store turned out to be another one,
// or to have been restored from an earlier state.
func (s *Service) StoreReplaced() { s.giveUp(errWentBack) }

// TakeOver makes a passive service acquire the epoch, whoever holds it. It does nothing to one that is not passive.
func (s *Service) TakeOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.role == passive {
		s.turnLocked(acquiring)
		wake(s.takeOver)
	}
}

// Active tells whether the service holds the newest epoch, so far as it knows.
func (s *Service) Active() bool { return s.role() == holding }

// Standing returns the newest epoch that the service acquired, whether it holds it, so far as it knows, and a channel
// that is closed when that changes.
func (s *Service) Standing() (epoch uint64, active bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.epoch, s.mu.role == holding, s.mu.turned
}

func (s *Service) role() role {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.role
}

// turn changes the role and wakes the requests that wait for that.
func (s *Service) turn(to role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turnLocked(to)
}

// again makes a holder acquire an epoch, unless it has stepped down meanwhile.
func (s *Service) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.role == holding {
		s.turnLocked(acquiring)
	}
}

func (s *Service) turnLocked(to role) {
	if s.mu.role == to || s.mu.role == stopped {
		return
	}
	s.mu.role = to
	if to == passive || to == stopped {
		s.mu.table.clear()
		s.mu.held = 0
		s.mu.seen = position{} // the next store may be one that went back
	}
	close(s.mu.turned)
	s.mu.turned = make(chan struct{})
}

// now is the moment, and how far the wall clock is ahead of the monotonic one.
func (s *Service) now() (at uptime, lead time.Duration) {
	monotonic, wall := s.clock()
	return uptime(monotonic), wall - monotonic
}

// countedLocked is how much time has counted for leases until now.
func (s *Service) countedLocked() instant {
	at, _ := s.now()
	return s.mu.time.now(at)
}

// wake leaves a wake-up in a channel that holds one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retry is the pause before a next attempt: it doubles.
type retry time.Duration

func (r *retry) pause(ctx context.Context) error {
	d := max(time.Duration(*r), retryPauseMin)
	*r = retry(min(2*d, retryPauseMax))
	return pause(ctx, d)
}

// withoutEffect tells that a proposal that failed with err was certainly not accepted. Any other error leaves open
// whether it takes effect.
func withoutEffect(err error) bool {
	for _, refusal := range []error{
		errdefs.ErrTooManyRequests, errdefs.ErrTooLarge, errdefs.ErrNoSpace, errdefs.ErrCorrupt,
		errdefs.ErrLeaseNotFound, errdefs.ErrLeaseExists, errdefs.ErrLeaseTTLTooLarge, errdefs.ErrStaleEpoch,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}
