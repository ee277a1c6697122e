package replication

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/raft/v3"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// HandOver gives leadership away, if this member leads, so that the cluster need not wait for an election when it stops: to
// the voter that is furthest along, and to the next one if that does not take it at once; not to one that is unfit. It returns
// once another member leads, or with why none does.
func (r *Replica) HandOver(ctx context.Context, unfit func(id uint64) bool) error {
	var tried []uint64
	for {
		found, leads, err := r.Successors(ctx)
		if err != nil {
			return err
		}
		if !leads {
			if len(tried) == 0 {
				return nil
			}
			return r.awaitSuccessor(ctx)
		}
		candidates := slices.DeleteFunc(found, func(id uint64) bool { return unfit(id) || slices.Contains(tried, id) })
		if len(candidates) == 0 {
			if len(tried) == 0 {
				return nil // nobody is there to take it
			}
			return r.awaitSuccessor(ctx) // one of those that were tried may still be about to
		}
		tried = append(tried, candidates[0])
		if err := r.TransferLeader(ctx, candidates[0]); err != nil {
			return err
		}
		if err := r.awaitLeader(ctx, r.electionTimeout/handOverTries, func(leader uint64) bool { return leader != r.raft.stepper.id }); err != nil {
			return err
		}
	}
}

// Successors are the voters that can be reached now, the best first, and whether this member leads, so that it knows.
func (r *Replica) Successors(ctx context.Context) (voters []uint64, leads bool, err error) {
	type found struct {
		voters []uint64
		leads  bool
	}
	f, err := call(ctx, r.raft, func(s *stepper) found {
		status := s.node.Status()
		return found{successors(status, s.id, s.connected), status.RaftState == raft.StateLeader}
	})
	return f.voters, f.leads, err
}

// awaitSuccessor waits until another member leads. An election takes an election timeout or two.
func (r *Replica) awaitSuccessor(ctx context.Context) error {
	other := func(leader uint64) bool { return leader != raft.None && leader != r.raft.stepper.id }
	if err := r.awaitLeader(ctx, 2*r.electionTimeout, other); err != nil {
		return err
	}
	if leader, _, _ := r.Standing(); !other(leader) {
		return fmt.Errorf("hand leadership over: %w", errdefs.ErrTimeout)
	}
	return nil
}

// awaitLeader waits until the leader is as wanted, at most for so long. Its error is that of ctx, or that the member stops.
func (r *Replica) awaitLeader(ctx context.Context, most time.Duration, wanted func(leader uint64) bool) error {
	limit, stop := r.ticks(most)
	defer stop()
	for {
		leader, _, changed := r.Standing()
		if wanted(leader) {
			return nil
		}
		select {
		case <-changed:
		case <-limit:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("hand leadership over: %w", context.Cause(ctx))
		case <-r.raft.stopped:
			return fmt.Errorf("hand leadership over: %w", errdefs.ErrStopped)
		}
	}
}
