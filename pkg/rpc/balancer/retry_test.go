package balancer

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/pkg/rpc/batching"
)

// TestVerdicts checks what becomes of a call after each way in which an attempt can end, where it may be made twice and where
// it may not.
func TestVerdicts(t *testing.T) {
	for err, want := range map[error][2]verdict{
		nil:                      {final, final},
		errdefs.ErrLeaseNotFound: {final, final},
		context.Canceled:         {final, final},
		errNobody:                {later, later},
		batching.ErrUnsent:       {later, later},
		errdefs.ErrNoLeader:      {soon, soon},
		batching.ErrLost:         {unknown, later},
		errdefs.ErrLeaderChanged: {final, soon}, // says itself that the outcome is unknown
		errElsewhere:             {elsewhere, elsewhere},
	} {
		if err != nil {
			err = fmt.Errorf("attempt: %w", err)
		}
		require.Equal(t, want[0], atMostOnce.judge(err), err)
		require.Equal(t, want[1], harmless.judge(err), err)
	}
}
