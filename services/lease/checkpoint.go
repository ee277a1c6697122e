package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// checkpoint records the remaining time of long leases that nobody kept alive for a while, so that a take-over does
// not give them all of it again. It runs until ctx ends or the outcome of a checkpoint is unknown: one that took
// effect late, after a keep-alive has cleared it, would make a take-over break that keep-alive's promise. The next
// epoch keeps it from taking effect.
func (s *Service) checkpoint(ctx context.Context, epoch uint64) error {
	for {
		if err := pause(ctx, s.cfg.CheckpointInterval/checkpointsPerInterval); err != nil {
			return err
		}
		for more, entries := true, 0; more && entries < checkpointEntriesMax; {
			var recorded int
			var err error
			if recorded, more, err = s.checkpointDue(ctx, epoch); err != nil {
				return err
			}
			if recorded > 0 {
				entries++
			}
		}
	}
}

// checkpointDue records what is due, at most checkpointLeasesMax leases, and tells of how many and whether there is more to look at.
func (s *Service) checkpointDue(ctx context.Context, epoch uint64) (recorded int, more bool, err error) {
	c := newClaim()
	s.mu.Lock()
	due, more := s.mu.table.takeCheckpoints(c, s.countedLocked(), checkpointLeasesMax)
	s.mu.Unlock()
	if len(due) == 0 {
		return 0, more, nil
	}
	err = s.proposeCheckpoint(ctx, epoch, due)
	s.mu.Lock()
	s.mu.table.release(idsOf(due)...)
	s.mu.Unlock()
	switch {
	case err == nil:
		s.metrics.checkpointed.Add(float64(len(due)))
		return len(due), more, nil
	case errors.Is(err, errdefs.ErrStaleEpoch):
		s.fenced(epoch)
		return 0, false, err
	case withoutEffect(err):
		s.log.Warn("cannot checkpoint leases", slog.Int("leases", len(due)), slog.Any("error", err))
		return 0, false, nil
	}
	return 0, false, fmt.Errorf("checkpoint %d leases: %w", len(due), err)
}

// clearCheckpoints makes a take-over give these leases all of their time, before a keep-alive promises it.
func (s *Service) clearCheckpoints(ctx context.Context, epoch uint64, ids []int64) error {
	clear := make([]*consensusv1.LeaseCheckpointOp_Remaining, len(ids))
	for i, id := range ids {
		clear[i] = &consensusv1.LeaseCheckpointOp_Remaining{Id: id}
	}
	return s.proposeCheckpoint(ctx, epoch, clear)
}

func (s *Service) proposeCheckpoint(ctx context.Context, epoch uint64, r []*consensusv1.LeaseCheckpointOp_Remaining) error {
	_, err := s.propose(ctx, &consensusv1.Command{Command: &consensusv1.Command_LeaseCheckpoint{
		LeaseCheckpoint: &consensusv1.LeaseCheckpointOp{Leases: r, Epoch: epoch},
	}})
	return err
}

func idsOf(records []*consensusv1.LeaseCheckpointOp_Remaining) []int64 {
	ids := make([]int64, len(records))
	for i, r := range records {
		ids[i] = r.Id
	}
	return ids
}
