package auth

import (
	"fmt"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// takeSteps makes all of the changes or, where one is refused, none. They are refused with errdefs.ErrAuthOldRevision if something has
// changed since they were decided on.
func takeSteps(c *change, op *consensusv1.AuthSteps) error {
	if op.GetRevision() != 0 && op.GetRevision() != c.Revision() {
		return errdefs.ErrAuthOldRevision
	}
	for at, step := range op.GetSteps() {
		if step.GetSteps() != nil || step.GetExtendTokens() != nil {
			return errdefs.ErrInvalidAuthManagement
		}
		if err := c.carryOut(step); err != nil {
			return fmt.Errorf("step %d: %w", at+1, err)
		}
	}
	return nil
}

// keptRows are writes that have not been made yet, in order.
type keptRows []func(Rows)

func (k *keptRows) SetRecord(name string, old, value []byte) {
	*k = append(*k, func(rows Rows) { rows.SetRecord(name, old, value) })
}

func (k *keptRows) DropRecord(name string, old []byte) {
	*k = append(*k, func(rows Rows) { rows.DropRecord(name, old) })
}

func (k *keptRows) write(rows Rows) {
	for _, write := range *k {
		write(rows)
	}
}
