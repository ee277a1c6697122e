package consensus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/raft/v3"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
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
	began := time.Now()
	result, err := p.replica.Wait(ctx, waiting)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = p.late(began, p.replica.LeaderElected(), p.replica.LeaderID(), err)
	}
	return result, err
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
