package consensus

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// What may be proposed: nothing that answers from a corrupt state, nothing that grows where there is no room, and nothing at all
// while the state does not keep up with the log. Each reason is alone; the way out of it stays open.
func TestAdmission(t *testing.T) {
	fine := func() error { return nil }
	no := func(err error) func() error { return func() error { return err } }
	del := &consensusv1.Command{Command: &consensusv1.Command_DeleteRange{DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte("k")}}}
	alarm := &consensusv1.Command{Command: &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{}}}
	for name, c := range map[string]struct {
		admission       admission
		put, del, alarm error
	}{
		"nothing is wrong": {admission{fine, fine, fine}, nil, nil, nil},
		"corrupt":          {admission{no(errdefs.ErrCorrupt), fine, fine}, errdefs.ErrCorrupt, errdefs.ErrCorrupt, nil},
		"no room":          {admission{fine, no(errdefs.ErrNoSpace), fine}, errdefs.ErrNoSpace, nil, nil},
		"behind": {
			admission{fine, fine, no(errdefs.ErrTooManyRequests)},
			errdefs.ErrTooManyRequests, errdefs.ErrTooManyRequests, errdefs.ErrTooManyRequests,
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, c.admission.admit(put("k", "v")), c.put)
			require.ErrorIs(t, c.admission.admit(del), c.del)
			require.ErrorIs(t, c.admission.admit(alarm), c.alarm)
		})
	}
}
