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
	del := &consensusv1.Command{Command: &consensusv1.Command_DeleteRange{DeleteRange: &consensusv1.DeleteRangeOp{Key: []byte("k")}}}
	alarm := &consensusv1.Command{Command: &consensusv1.Command_Alarm{Alarm: &consensusv1.AlarmOp{}}}
	for name, c := range map[string]struct {
		now             circumstances
		put, del, alarm error
	}{
		"nothing is wrong": {circumstances{}, nil, nil, nil},
		"corrupt":          {circumstances{trust: errdefs.ErrCorrupt}, errdefs.ErrCorrupt, errdefs.ErrCorrupt, nil},
		"quota used up":    {circumstances{room: room{inUse: 8, quota: 7}}, errdefs.ErrNoSpace, nil, nil},
		"quota just kept":  {circumstances{room: room{inUse: 7, quota: 7}}, nil, nil, nil},
		"no quota":         {circumstances{room: room{inUse: 8}}, nil, nil, nil},
		"disk full":        {circumstances{room: room{diskFull: true}}, errdefs.ErrNoSpace, nil, nil},
		"nearly behind":    {circumstances{committed: 7 + applyLagMax, applied: 7}, nil, nil, nil},
		"behind": {
			circumstances{committed: 8 + applyLagMax, applied: 7},
			errdefs.ErrTooManyRequests, errdefs.ErrTooManyRequests, errdefs.ErrTooManyRequests,
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, mayPropose(put("k", "v"), c.now), c.put)
			require.ErrorIs(t, mayPropose(del, c.now), c.del)
			require.ErrorIs(t, mayPropose(alarm, c.now), c.alarm)
		})
	}
}
