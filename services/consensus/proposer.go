package consensus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/raft/v3"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/phases"
	"github.com/quoratedb/quorate/pkg/tracing"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// proposer has commands replicated, and says of one that ran out of time what it probably waited for.
type proposer struct {
	self            uint64
	replica         *replication.Replica
	members         *membership.Members
	electionTimeout time.Duration
}

// propose answers once a command is applied here.
func (p *proposer) propose(ctx context.Context, command *consensusv1.Command) (*consensusv1.Result, error) {
	waiting, err := p.replica.Submit(command)
	if err != nil {
		return nil, err
	}
	began := waiting.Submitted()
	result, err := p.replica.Wait(ctx, waiting)
	p.account(ctx, waiting, began)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = p.late(began, p.replica.LeaderElected(), p.replica.LeaderID(), err)
	}
	return result, err
}

// account tells what the time of a write was spent on: its trace, and whoever has made room for the phases of one that took long.
func (p *proposer) account(ctx context.Context, write *replication.Proposal, began time.Time) {
	now := time.Now()
	traced, noted := tracing.Recorded(ctx), (*phases.Phases)(nil)
	if now.Sub(began) >= phases.From {
		noted = phases.Of(ctx)
	}
	if !traced && noted == nil {
		return
	}
	times := p.replica.Times(write)
	if noted != nil {
		noted.Add(phasesOf(times, now))
	}
	if traced {
		tracing.Part(ctx, "queue", times.Submitted, times.Proposed)
		tracing.Part(ctx, "sync", times.SyncBegun, times.Synced)
		tracing.Part(ctx, "replicate", times.Proposed, times.Committed)
		tracing.Part(ctx, "apply", times.Committed, times.Applied)
		tracing.Part(ctx, "commit", times.Applied, times.Visible)
	}
}

// phasesOf are the phases of a write that ended now, be it that its caller left.
func phasesOf(times replication.Times, now time.Time) (p phases.Phases) {
	switch {
	case times.Proposed.IsZero():
		p.Queue = now.Sub(times.Submitted)
		return p
	case times.Committed.IsZero():
		p.Replicate = now.Sub(times.Proposed)
	default:
		p.Replicate, p.Apply = times.Committed.Sub(times.Proposed), now.Sub(times.Committed)
	}
	p.Queue, p.Sync = times.Proposed.Sub(times.Submitted), times.Synced.Sub(times.SyncBegun)
	return p
}

// internal proposes what the store itself does.
func (p *proposer) internal(ctx context.Context, command *consensusv1.Command) (*consensusv1.Result, error) {
	command.Caller = internalCaller
	return p.propose(ctx, command)
}

// late says, as etcd does, what a proposal that ran out of time probably waited for: a leader to be elected
// (errdefs.ErrLeaderFailed), or a connection (errdefs.ErrConnectionLost). Where neither is known the error stays. The last
// leader was elected at a time.
func (p *proposer) late(began, elected time.Time, leader uint64, err error) error {
	switch {
	case began.Before(elected) && began.After(elected.Add(-2*p.electionTimeout)):
		return fmt.Errorf("wait for a proposal: %w", errdefs.ErrLeaderFailed)
	case leader == raft.None:
		return err
	case leader == p.self && !p.members.Situation(began).ConnectedToQuorum(began),
		leader != p.self && !p.members.Situation(began).Reachable(leader, began):
		return fmt.Errorf("wait for a proposal: %w", errdefs.ErrConnectionLost)
	}
	return err
}
