package remote

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/rpc"
)

// fakeAuth tells once who it is, and nothing after that.
type fakeAuth struct {
	rpc.Auth
	member *fake
}

func (f *fakeAuth) FollowAuth(ctx context.Context, _ *consensusv1.FollowAuthRequest, send func(*consensusv1.FollowAuthResponse) error) error {
	if err := send(&consensusv1.FollowAuthResponse{AuthRevision: f.member.id}); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// Goal: who follows users and roles does not go on hearing nothing from a member that has lost its leadership, though that is still
// connected. Method: follow the leader, have the members follow another one, and follow again.
func TestFollowerOfUsersLeavesALeaderThatWas(t *testing.T) {
	members := []*fake{serve(t, 1), serve(t, 2), serve(t, 3)}
	client := open(t, members...)
	follow := func(ctx context.Context) (told chan uint64, ended chan error) {
		told, ended = make(chan uint64, 1), make(chan error, 1)
		go func() {
			ended <- client.FollowAuth(ctx, &consensusv1.FollowAuthRequest{}, func(r *consensusv1.FollowAuthResponse) error {
				told <- r.GetAuthRevision()
				return nil
			})
		}()
		return told, ended
	}
	told, ended := follow(t.Context())
	require.EqualValues(t, 1, <-told)
	for _, m := range members[1:] { // the first one hears of nothing
		m.follow(2, 2)
	}
	require.ErrorIs(t, <-ended, errdefs.ErrLeaderChanged)

	ctx, cancel := context.WithCancel(t.Context())
	told, ended = follow(ctx)
	require.EqualValues(t, 2, <-told)
	members[2].follow(0, 2) // another member that has lost sight of the leader is no reason to leave it
	await(client, client.heard(3, 0, 2))
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}
