package auth_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// source is one of a test.
type source func(context.Context, func(*consensusv1.FollowAuthResponse) error) error

func (s source) FollowAuth(ctx context.Context, _ *consensusv1.FollowAuthRequest, send func(*consensusv1.FollowAuthResponse) error) error {
	return s(ctx, send)
}

// Goal: the follower wakes for each change, enabling among them, and for nothing else; it goes on when who told it has gone, and does not
// take authentication for off in the meantime. Method: a source that tells some, fails, and tells the same again.
func TestFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tell, fail := make(chan *consensusv1.FollowAuthResponse), make(chan error)
		f := auth.NewFollower(source(func(ctx context.Context, send func(*consensusv1.FollowAuthResponse) error) error {
			for {
				select {
				case state := <-tell:
					if err := send(state); err != nil {
						return err
					}
				case err := <-fail:
					return err
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}), slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); f.Run(ctx) }()
		woken, forgotten := 0, 0
		defer f.OnChange(func() { woken++ })()
		forget := f.OnChange(func() { forgotten++ })
		said := func(enabled bool, revision uint64) {
			tell <- &consensusv1.FollowAuthResponse{Enabled: enabled, AuthRevision: revision}
			synctest.Wait()
		}
		require.False(t, f.Off())
		said(false, 7)
		require.True(t, f.Off())
		before := f.Position()
		said(true, 7)
		require.False(t, f.Off())
		require.Greater(t, f.Position(), before)
		require.Equal(t, 2, woken)
		forget()
		said(false, 8)
		require.True(t, f.Off())
		require.Equal(t, 3, woken)
		fail <- errors.New("connection lost")
		synctest.Wait()
		require.False(t, f.Off())
		<-time.After(time.Second)
		said(false, 8)
		require.True(t, f.Off())
		require.Equal(t, 3, woken, "nothing has changed")
		require.Equal(t, 2, forgotten)
		cancel()
		<-done
	})
}
