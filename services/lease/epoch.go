package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// acquire makes this service the only one that may expire leases, and returns its epoch. It tries until it succeeds or
// ctx ends. If newest, the last epoch of this service, turns out to be followed by another's, it fails with errFenced
// instead of taking the leases away from that holder, and with errWentBack if the store knows only older ones.
//
// If the new epoch follows newest directly, nobody held leases in between and the table is as good as it was. Otherwise
// the leases are listed anew, and each gets all its time again.
func (s *Service) acquire(ctx context.Context, newest uint64) (uint64, error) {
	var again retry
	// proposed says that an attempt may have moved the epoch on, so that a newer one need not be another's.
	proposed := newest == 0
	for {
		epoch, err := s.tryAcquire(ctx, newest, &proposed)
		if err == nil || errors.Is(err, errFenced) || errors.Is(err, errWentBack) {
			return epoch, err
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		s.log.Warn("cannot acquire the lease epoch; trying again", slog.Any("error", err))
		if err := again.pause(ctx); err != nil {
			return 0, err
		}
	}
}

func (s *Service) tryAcquire(ctx context.Context, newest uint64, proposed *bool) (uint64, error) {
	if !*proposed {
		seen, err := s.seenEpoch(ctx)
		if err != nil {
			return 0, err
		}
		if seen > newest {
			return 0, errFenced
		}
		if seen < newest {
			return 0, wentBack(newest, seen)
		}
	}
	*proposed = true
	began, lead := s.now()
	resp, err := s.propose(ctx, &consensusv1.Command{Command: &consensusv1.Command_LeaseAcquire{
		LeaseAcquire: &consensusv1.LeaseAcquireOp{Holder: s.cfg.Holder},
	}})
	if err != nil {
		return 0, fmt.Errorf("acquire: %w", err)
	}
	epoch := resp.GetLeaseAcquire().GetEpoch()
	s.mu.Lock()
	// Nobody can have taken over before this epoch was acquired, so nobody had when its acquisition began.
	s.mu.epoch = epoch
	learned, _ := s.now()
	s.mu.time.confirm(began, lead, learned)
	s.mu.table.beginEpoch()
	if len(s.mu.table.open) > 0 {
		wake(s.reconcileNow)
	}
	s.mu.Unlock()
	if newest != 0 && epoch == newest+1 {
		return epoch, nil
	}
	n, err := s.takeStock(ctx)
	if err != nil {
		return 0, err
	}
	s.log.Info("acquired the lease epoch", slog.Uint64("epoch", epoch), slog.Int("leases", n))
	return epoch, nil
}

// hold works under an epoch until ctx ends, another holder takes over (errFenced), or the outcome of something
// proposed under it is unknown.
func (s *Service) hold(ctx context.Context, epoch uint64) error {
	s.mu.Lock()
	// One that stepped down and took over again meanwhile has an empty table: it begins anew.
	if s.mu.role != acquiring || ctx.Err() != nil {
		s.mu.Unlock()
		return errSteppedDown
	}
	s.turnLocked(holding)
	s.mu.held, s.mu.during = epoch, ctx
	s.mu.Unlock()

	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.expire(gctx, epoch) })
	g.Go(func() error { return s.checkpoint(gctx, epoch) })
	g.Go(func() error { return s.reconcile(gctx) })
	g.Go(func() error { return s.keepConfirmed(gctx) })
	g.Go(func() error { return s.settle(gctx) })
	err := g.Wait()
	if errors.Is(err, errdefs.ErrStaleEpoch) {
		return errFenced
	}
	return err
}

// fenced is told that epoch is no longer the newest. If this service has not acquired a newer one since, it steps
// down at once.
func (s *Service) fenced(epoch uint64) { s.lost(epoch, errFenced) }

// lost ends the hold of an epoch, if this service has not acquired another one since.
func (s *Service) lost(epoch uint64, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.epoch == epoch && s.mu.role == holding {
		s.turnLocked(passive)
		s.mu.end(why)
	}
}

// wentBack says that the store shows an older epoch than was acquired from it.
func wentBack(acquired, seen uint64) error {
	return fmt.Errorf("%w: it shows lease epoch %d, and epoch %d was acquired here", errWentBack, seen, acquired)
}

// keepConfirmed confirms the epoch again and again, while there are leases to count down, until ctx ends.
func (s *Service) keepConfirmed(ctx context.Context) error {
	for {
		s.mu.Lock()
		at, _ := s.now()
		due, idle := s.mu.time.confirmed.plus(confirmInterval), len(s.mu.table.leases) == 0
		s.mu.Unlock()
		if idle || due > at {
			if err := pause(ctx, max(time.Duration(due-at), confirmInterval/2)); err != nil {
				return err
			}
			continue
		}
		if err := s.assure(ctx, due); err != nil { // the store cannot be reached: time stands still meanwhile
			if err := pause(ctx, retryPauseMin); err != nil {
				return err
			}
		}
	}
}

// recent is the earliest moment of a confirmation that will do now.
func (s *Service) recent() uptime {
	at, _ := s.now()
	return at.plus(-holdWindow)
}

// assure waits until this service certainly held the newest epoch at or after the moment since.
func (s *Service) assure(ctx context.Context, since uptime) error {
	for {
		at, lead := s.now()
		s.mu.Lock()
		switch {
		case s.mu.role == stopped:
			s.mu.Unlock()
			return errdefs.ErrStopped
		case s.mu.role == passive:
			s.mu.Unlock()
			return fmt.Errorf("lease service is passive: %w", errdefs.ErrNoLeader)
		case s.mu.role == acquiring:
			turned := s.mu.turned
			s.mu.Unlock()
			if err := await(ctx, turned); err != nil {
				return err
			}
		case s.mu.time.sure(since, lead):
			s.mu.Unlock()
			return nil
		case s.mu.confirming != nil:
			confirming := s.mu.confirming
			s.mu.Unlock()
			if err := await(ctx, confirming); err != nil {
				return err
			}
		default:
			confirming, epoch := make(chan struct{}), s.mu.epoch
			s.mu.confirming = confirming
			s.mu.Unlock()
			if err := s.confirm(ctx, confirming, epoch, at, lead); err != nil {
				return err
			}
		}
	}
}

// confirm asks the consensus service for the newest epoch, on behalf of all who wait for confirming.
func (s *Service) confirm(ctx context.Context, confirming chan struct{}, epoch uint64, began uptime, lead time.Duration) error {
	seen, err := s.seenEpoch(ctx)
	s.mu.Lock()
	s.mu.confirming = nil
	close(confirming)
	if err == nil && seen == epoch && s.mu.epoch == epoch {
		learned, _ := s.now()
		s.mu.time.confirm(began, lead, learned)
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		return err
	case seen > epoch:
		s.fenced(epoch)
	case seen < epoch:
		s.lost(epoch, wentBack(epoch, seen))
	}
	return nil
}

// seenEpoch is the newest epoch that anybody acquired before the call.
func (s *Service) seenEpoch(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.RequestTimeout)
	defer cancel()
	index, err := s.consensus.ReadIndex(ctx, &consensusv1.ReadIndexRequest{})
	if err != nil {
		return 0, fmt.Errorf("confirm lease epoch: %w", err)
	}
	s.note(index)
	return index.GetLeaseEpoch(), nil
}

// await waits for done or the end of ctx.
func await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// propose replicates a command. It gives up after Config.RequestTimeout, so that an answer that never comes does not
// hold the service up.
func (s *Service) propose(ctx context.Context, c *consensusv1.Command) (*consensusv1.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.RequestTimeout)
	defer cancel()
	resp, err := s.consensus.Propose(ctx, &consensusv1.ProposeRequest{Command: c})
	if err != nil {
		if !withoutEffect(err) {
			s.metrics.unsettled.Inc()
		}
		return nil, err
	}
	s.note(resp.GetResult())
	return resp.GetResult(), nil
}

// position is a moment of the store, for the headers of answers.
type position struct {
	revision int64
	term     uint64
}

// note keeps the newest position that an answer of the store has shown.
func (s *Service) note(answer interface {
	GetRevision() int64
	GetRaftTerm() uint64
},
) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.seen.revision = max(s.mu.seen.revision, answer.GetRevision())
	s.mu.seen.term = max(s.mu.seen.term, answer.GetRaftTerm())
}
