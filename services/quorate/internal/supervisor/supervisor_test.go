package supervisor

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: services stop in the reverse of the order they were started in, each after the one on top of it has ended.
// Method: three services that note when they are told to stop and when they end.
func TestSupervisorStopsInReverse(t *testing.T) {
	var order []string
	s := New(3)
	for _, name := range []string{"consensus", "watch", "api"} {
		s.Start(name, func(ctx context.Context) error {
			<-ctx.Done()
			order = append(order, name) // no lock: the race detector sees whether two ever stop at once
			return ctx.Err()
		})
	}
	require.NoError(t, s.Stop())
	require.Equal(t, []string{"api", "watch", "consensus"}, order)
	require.NoError(t, s.Stop(), "twice")
}

// Goal: a service that ends by itself is reported with its name, also when it gives no reason, and one that fails to
// stop cleanly too. Method: one service of each kind.
func TestSupervisorReportsFailures(t *testing.T) {
	s := New(3)
	s.Start("consensus", func(context.Context) error { return errors.New("disk is gone") })
	require.EqualError(t, <-s.Failed, "consensus: disk is gone")
	s.Start("watch", func(context.Context) error { return nil })
	require.ErrorIs(t, <-s.Failed, ErrEnded)
	s.Start("api", func(ctx context.Context) error { <-ctx.Done(); return errors.New("stuck call") })
	require.EqualError(t, s.Stop(), "stop api: stuck call")
}
