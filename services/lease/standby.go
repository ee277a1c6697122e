package lease

import (
	"context"
	"log/slog"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/lease/internal/lessor"
)

const (
	// heartbeatInterval is how often the holder says that it is there, and how often those that stand by ask.
	heartbeatInterval = 250 * time.Millisecond
	// heartbeatTimeout bounds one of these calls: a leader that does not answer is not waited for longer than a new one takes.
	heartbeatTimeout = time.Second
	// failoverTimeout is how long the holder may be silent before another node takes over.
	failoverTimeout = 2 * time.Second
	// resignTimeout bounds the holder's last word when it stops.
	resignTimeout = time.Second
)

// Holders is where lease services that run apart learn of each other: the leader of the store.
type Holders interface {
	// HoldLeases tells that the holder of an epoch is there, or that the caller stands by, and answers whether it is to
	// take over: one of those that stand by at a time.
	HoldLeases(context.Context, *consensusv1.HoldLeasesRequest) (*consensusv1.HoldLeasesResponse, error)
}

// StandBy takes part in the choice of the one service that is active, until ctx ends: while this service holds the epoch
// it says so, and while it does not it takes over from a holder that has been silent for failoverTimeout. At the end it gives
// the epoch up, so that another one takes over at once; Run must go on until then.
//
// The holder speaks to the store and not to the others: it is as good as dead once it cannot reach the store, and it is
// well as long as it can.
func (s *Service) StandBy(ctx context.Context, holders Holders) error {
	for {
		_ = s.heartbeat(ctx, holders) // there is no leader to ask: nobody can take over then
		if pause(ctx, heartbeatInterval) != nil {
			break
		}
	}
	epoch, active, _ := s.Standing()
	if !active {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resignTimeout)
	defer cancel()
	if _, err := holders.HoldLeases(ctx, &consensusv1.HoldLeasesRequest{Epoch: epoch, Leaving: true}); err != nil {
		s.log.Warn("could not give the lease epoch up; another node takes over once this one has been silent for a while", slog.Any("error", err))
	}
	return nil
}

// heartbeat speaks to the leader once.
func (s *Service) heartbeat(ctx context.Context, holders Holders) error {
	ctx, cancel := context.WithTimeout(ctx, heartbeatTimeout)
	defer cancel()
	request := &consensusv1.HoldLeasesRequest{}
	if epoch, active, _ := s.Standing(); active {
		request.Epoch = epoch
	} else if status, _ := s.core.status(); status.Role == lessor.Standby {
		request.Patience = int64(failoverTimeout)
	}
	answer, err := holders.HoldLeases(ctx, request)
	if err != nil {
		return err
	}
	switch {
	case request.GetEpoch() != 0 && answer.GetEpoch() > request.GetEpoch():
		s.core.fenced(request.GetEpoch())
	case answer.GetTakeOver():
		s.log.Info("taking the leases over", slog.Uint64("epoch_before", answer.GetEpoch()), slog.Duration("silence", time.Duration(answer.GetSilence())))
		s.TakeOver()
	}
	return nil
}
