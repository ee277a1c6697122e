package auth

import (
	"fmt"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// takeSteps makes all of the changes or, where one is refused, none: what they write is kept until all are made. They are refused with
// errdefs.ErrAuthOldRevision if something has changed since they were decided on.
func takeSteps(s *State, rows Rows, op *consensusv1.AuthSteps) (*State, error) {
	if op.GetRevision() != 0 && op.GetRevision() != s.Revision() {
		return nil, errdefs.ErrAuthOldRevision
	}
	var kept keptRows
	for at, step := range op.GetSteps() {
		if step.GetSteps() != nil || step.GetExtendTokens() != nil {
			return nil, errdefs.ErrInvalidAuthManagement
		}
		next, err := Change(s, &kept, step)
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", at+1, err)
		}
		s = next
	}
	for _, write := range kept {
		write(rows)
	}
	return s, nil
}

// keptRows are writes that have not been made yet, in order.
type keptRows []func(Rows)

func (k *keptRows) SetRecord(name string, old, value []byte) {
	*k = append(*k, func(rows Rows) { rows.SetRecord(name, old, value) })
}

func (k *keptRows) DropRecord(name string, old []byte) {
	*k = append(*k, func(rows Rows) { rows.DropRecord(name, old) })
}
