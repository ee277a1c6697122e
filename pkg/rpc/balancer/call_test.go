package balancer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// Goal: a call takes as long as its caller has time, CallTimeout at most, and says whose time was up; a long one waits no longer for a node.
// Method: no node is there, and callers have no time, more than that and less, by a clock of the test's own.
func TestCallsEndInTime(t *testing.T) {
	const limit = 7 * time.Second
	leaves := errors.New("the caller's time is up")
	for name, c := range map[string]struct {
		has, takes time.Duration
		long       bool
		cause      error
	}{
		"no time":                    {0, limit, false, errdefs.ErrTimeout},
		"no time, for a long answer": {0, limit, true, errdefs.ErrTimeout},
		"more":                       {time.Hour, limit, false, errdefs.ErrTimeout},
		"more, for a long answer":    {time.Hour, limit, true, errdefs.ErrTimeout},
		"less":                       {time.Second, time.Second, false, leaves},
		"less, for a long answer":    {time.Second, time.Second, true, leaves},
		"as much":                    {limit, limit, false, leaves},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := New(Config[uint64]{CallTimeout: limit})
				ctx := t.Context()
				if c.has > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeoutCause(ctx, c.has, leaves)
					defer cancel()
				}
				began := time.Now()
				err := b.Call(ctx, CallOptions[uint64]{Picker: nobody{}, Long: c.long}, "Grant", nil, nil)
				require.ErrorIs(t, err, c.cause)
				require.Equal(t, c.takes, time.Since(began))
			})
		})
	}
}

// nobody is a Picker to whom no node will do.
type nobody struct{}

func (nobody) Pick([]*Backend[uint64]) *Backend[uint64]           { return nil }
func (nobody) Keep(_ []*Backend[uint64], _ *Backend[uint64]) bool { return false }
