package watch

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// Goal: a service starts when consensus is slow to tell its position, serves, and leaves no goroutine behind.
// Method: a position that fails once, one watch, one commit, the end; goleak.
func TestServeAndStop(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	feed := &slowStart{fakeFeed: newFakeFeed()}
	service, err := New(Config{Feed: feed})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()

	session := service.Open()
	require.NoError(t, session.Add(&watchv1.Watch{Id: 1, Key: []byte("k"), StartRevision: firstRevision}))
	feed.commit(change{"k", "v"})
	d, err := session.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, "v", string(d.Batch.Events()[0].Kv.Value))

	cancel()
	require.NoError(t, <-ended)
	_, err = session.Next(t.Context())
	require.ErrorIs(t, err, errdefs.ErrStopped)
	require.ErrorIs(t, service.Open().Add(&watchv1.Watch{Id: 1, Key: []byte("k"), StartRevision: 1}), errdefs.ErrStopped)
	require.Error(t, service.Run(t.Context()), "once only")
}

// slowStart does not know its position at first.
type slowStart struct {
	*fakeFeed
	asked bool
}

func (s *slowStart) Position(ctx context.Context, req *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	if !s.asked {
		s.asked = true
		return nil, errors.New("not yet")
	}
	return s.fakeFeed.Position(ctx, req)
}

// Goal: a service that is stopped before it could begin closes its sessions too. Method: a position that never comes.
func TestStopBeforeStart(t *testing.T) {
	feed := newFakeFeed()
	service, err := New(Config{Feed: unknown{feed}})
	require.NoError(t, err)
	session := service.Open()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, service.Run(ctx))
	_, err = session.Next(t.Context())
	require.ErrorIs(t, err, errdefs.ErrStopped)
}

type unknown struct{ *fakeFeed }

func (unknown) Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	return nil, errdefs.ErrStopped
}

// Goal: everything wrong with a configuration is said at once, and two services cannot share a registry. Method: a
// configuration with three faults; two services.
func TestNewRefuses(t *testing.T) {
	_, err := New(Config{ReadsMax: -1, PayloadBytesMax: 1 << 30, HeartbeatInterval: -time.Second})
	for _, fault := range []string{"Feed", "ReadsMax", "PayloadBytesMax", "HeartbeatInterval"} {
		require.ErrorContains(t, err, fault)
	}
	registry := prometheus.NewRegistry()
	_, err = New(Config{Feed: newFakeFeed(), Registerer: registry})
	require.NoError(t, err)
	_, err = New(Config{Feed: newFakeFeed(), Registerer: registry})
	require.Error(t, err)
}
