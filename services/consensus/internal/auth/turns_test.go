package auth

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// Goal: whoever sends a flood of log-ins waits for it, and somebody else for one of them; where too many wait, it is the flood that is refused. Method:
// one place that is taken, more log-ins of one origin than may wait, and then one each of two others; the place is handed on, and who gets it noted.
func TestFloodWaitsForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 10
		turns := newTurns(1, most)
		require.NoError(t, turns.enter(t.Context(), "flood"))
		order, refused := make(chan string, 2*most), make(chan string, 2*most)
		wait := func(ctx context.Context, origin string) {
			go func() {
				err := turns.enter(ctx, origin)
				if err != nil {
					refused <- fmt.Sprint(origin, " ", errors.Is(err, errdefs.ErrTooManyRequests))
					return
				}
				order <- origin
			}()
			synctest.Wait()
		}
		for range most + 1 {
			wait(t.Context(), "flood")
		}
		require.Equal(t, "flood true", <-refused)
		leaving, leave := context.WithCancel(t.Context())
		wait(leaving, "leaves")
		require.Equal(t, "flood true", <-refused, "it makes room")
		wait(t.Context(), "ann")
		require.Equal(t, "flood true", <-refused)
		leave()
		synctest.Wait()
		require.Equal(t, "leaves false", <-refused)
		var got []string
		for range most - 1 {
			turns.leave()
			synctest.Wait()
			got = append(got, <-order)
		}
		require.Equal(t, []string{"flood", "ann", "flood"}, got[:3])
		require.Empty(t, refused)
		turns.leave()
		require.Equal(t, 1, turns.mu.free)
		require.Zero(t, turns.mu.waiting)
		require.Empty(t, turns.mu.queues)
		require.Empty(t, turns.mu.origins)
	})
}
