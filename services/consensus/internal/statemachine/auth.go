package statemachine

import (
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// authorize refuses a command that its caller may not have carried out.
func authorize(b *Batch, cmd *consensusv1.Command) error {
	if b.auth == nil {
		_, err := b.machine.Auth()
		return err
	}
	if !b.auth.Enabled() {
		return nil
	}
	return b.auth.OfCommand(cmd.GetCaller(), cmd, func(lease int64, within []auth.Interval) (bool, error) {
		return b.rows.AttachedIn(lease, Spans(within))
	})
}

// Spans are intervals as the store has them.
func Spans(of []auth.Interval) []mvcc.Span {
	spans := make([]mvcc.Span, len(of))
	for i, interval := range of {
		spans[i] = mvcc.Between(interval.Low, interval.High)
	}
	return spans
}

// changeAuth changes users, roles or permissions. They count from the next command on.
func changeAuth(b *Batch, op *consensusv1.AuthOp) (*consensusv1.Result, error) {
	state, err := auth.Change(b.auth, b.rows, op)
	if err != nil {
		return nil, err
	}
	b.auth = state
	return &consensusv1.Result{Result: &consensusv1.Result_Auth{Auth: &consensusv1.AuthResult{AuthRevision: state.Revision()}}}, nil
}
