package lease

import (
	"context"
	"log/slog"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

const (
	// beatInterval is how often the holder says that it is there, and how often those that stand by ask.
	beatInterval = 250 * time.Millisecond
	// beatTimeout bounds one of these calls: a leader that does not answer is not waited for longer than a new one takes.
	beatTimeout = time.Second
	// silenceMax is how long the holder may be silent before another node takes over.
	silenceMax = 2 * time.Second
	// leaveTimeout bounds the holder's last word when it stops.
	leaveTimeout = time.Second
)

// Holders is where lease services that run apart learn of each other: the leader of the store.
type Holders interface {
	// HoldLeases tells that the holder of an epoch is there, or that the caller stands by, and answers whether it is to
	// take over: one of those that stand by at a time.
	HoldLeases(context.Context, *consensusv1.HoldLeasesRequest) (*consensusv1.HoldLeasesResponse, error)
}

// StandBy takes part in the choice of the one service that is active, until ctx ends: while this service holds the epoch
// it says so, and while it does not it takes over from a holder that has been silent for silenceMax. At the end it gives
// the epoch up, so that another one takes over at once; Run must go on until then.
//
// The holder speaks to the store and not to the others: it is as good as dead once it cannot reach the store, and it is
// well as long as it can.
func (s *Service) StandBy(ctx context.Context, holders Holders) error {
	for {
		_ = s.beat(ctx, holders) // there is no leader to ask: nobody can take over then
		if pause(ctx, beatInterval) != nil {
			break
		}
	}
	epoch, active, _ := s.Standing()
	if !active {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if _, err := holders.HoldLeases(ctx, &consensusv1.HoldLeasesRequest{Epoch: epoch, Leaving: true}); err != nil {
		s.log.Warn("could not give the lease epoch up; another node takes over once this one has been silent for a while", slog.Any("error", err))
	}
	return nil
}

// beat speaks to the leader once.
func (s *Service) beat(ctx context.Context, holders Holders) error {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	request := &consensusv1.HoldLeasesRequest{}
	if epoch, active, _ := s.Standing(); active {
		request.Epoch = epoch
	} else if s.role() == passive {
		request.Patience = int64(silenceMax)
	}
	answer, err := holders.HoldLeases(ctx, request)
	if err != nil {
		return err
	}
	switch {
	case request.GetEpoch() != 0 && answer.GetEpoch() > request.GetEpoch():
		s.fenced(request.GetEpoch())
	case answer.GetTakeOver():
		s.log.Info("taking the leases over", slog.Uint64("epoch_before", answer.GetEpoch()), slog.Duration("silence", time.Duration(answer.GetSilence())))
		s.TakeOver()
	}
	return nil
}
