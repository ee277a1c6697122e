package consensus

import (
	"context"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Propose replicates a command and answers once it is applied here. It returns the state machine's refusals
// (errdefs.ErrCompacted, ErrLeaseNotFound, ErrNoSpace, ...), errdefs.ErrTooManyRequests when the command was not
// taken, ErrTooLarge when it would read too much, and errdefs.ErrLeaderChanged, ErrLeaderFailed, ErrConnectionLost, ErrStopped or ctx's error when its outcome is
// unknown.
//
// The command must not be changed any more, not even after Propose has returned.
func (m *Member) Propose(ctx context.Context, req *consensusv1.ProposeRequest) (*consensusv1.ProposeResponse, error) {
	if err := m.admission.admit(req.GetCommand()); err != nil {
		return nil, err
	}
	command, err := m.callers.command(ctx, req)
	if err != nil {
		return nil, err
	}
	leave, err := m.readingTxns.enter(ctx, command)
	if err != nil {
		return nil, err
	}
	defer leave()
	result, err := m.proposer.propose(ctx, command)
	if err != nil {
		return nil, err
	}
	return &consensusv1.ProposeResponse{Result: result}, nil
}

// Defragment has the storage engine rewrite the state's files without what was deleted, at its own pace. It answers when
// that is done, and after defragmentAnswerMax in any case: it goes on by itself.
func (m *Member) Defragment(ctx context.Context, _ *consensusv1.DefragmentRequest) (*consensusv1.DefragmentResponse, error) {
	m.metrics.defragmenting.Inc()
	defer m.metrics.defragmenting.Dec()
	defer observeSince(m.metrics.defrag, time.Now())
	if err := m.tidier.defragment(ctx); err != nil {
		return nil, err
	}
	return &consensusv1.DefragmentResponse{}, nil
}
