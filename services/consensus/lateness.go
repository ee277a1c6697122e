package consensus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/raft/v3"

	"github.com/quoratedb/quorate/pkg/problem"
)

// late says, as etcd does, what a proposal that ran out of time probably waited for: a leader to be elected
// (problem.ErrLeaderFailed), or a connection (problem.ErrConnectionLost). Where neither is known the error stays.
func (m *Member) late(ctx context.Context, began time.Time, err error) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	return m.explainLateness(began, m.replica.LeaderElected(), m.replica.LeaderID(), err)
}

// explainLateness says it for a leader that was elected at a time.
func (m *Member) explainLateness(began, elected time.Time, leader uint64, err error) error {
	switch {
	case began.Before(elected) && began.After(elected.Add(-2*m.electionTimeout())):
		return fmt.Errorf("wait for a proposal: %w", problem.ErrLeaderFailed)
	case leader == raft.None:
		return err
	case leader == m.cfg.MemberID && !m.connectedToQuorum(began),
		leader != m.cfg.MemberID && !m.reachable(leader, began):
		return fmt.Errorf("wait for a proposal: %w", problem.ErrConnectionLost)
	}
	return err
}

func (m *Member) electionTimeout() time.Duration {
	return m.cfg.HeartbeatInterval * time.Duration(m.cfg.ElectionTicks)
}

// connectedToQuorum tells whether enough voters have been reachable since.
func (m *Member) connectedToQuorum(since time.Time) bool {
	voters, connected := 0, 0
	for _, member := range m.members.list() {
		if member.GetIsLearner() {
			continue
		}
		voters++
		if m.reachable(member.GetId(), since) {
			connected++
		}
	}
	return connected >= quorum(voters)
}
