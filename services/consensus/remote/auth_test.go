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

// follow is a client's following of users and roles: which member told, and how it ended.
func follow(ctx context.Context, client *Client) (told chan uint64, ended chan error) {
	told, ended = make(chan uint64, 1), make(chan error, 1)
	go func() {
		ended <- client.FollowAuth(ctx, &consensusv1.FollowAuthRequest{}, func(r *consensusv1.FollowAuthResponse) error {
			told <- r.GetAuthRevision()
			return nil
		})
	}()
	return told, ended
}

// Goal: who follows users and roles does not go on hearing nothing from a member that has lost its leadership, though that is still
// connected. Method: follow the leader, have the members follow another one, and follow again.
func TestFollowerOfUsersLeavesALeaderThatWas(t *testing.T) {
	members := []*fake{serve(t, 1), serve(t, 2), serve(t, 3)}
	client := open(t, members...)
	told, ended := follow(t.Context(), client)
	require.EqualValues(t, 1, <-told)
	for _, m := range members[1:] { // the first one hears of nothing
		m.follow(2, 2)
	}
	require.ErrorIs(t, <-ended, errdefs.ErrLeaderChanged)

	await(client, client.heard(2, 2, 2))
	ctx, cancel := context.WithCancel(t.Context())
	told, ended = follow(ctx, client)
	require.EqualValues(t, 2, <-told)
	members[2].follow(0, 2) // another member that has lost sight of the leader is no reason to leave it
	await(client, client.heard(3, 0, 2))
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

// Goal: who followed another member while the leader was out of reach goes to the leader, and does not stay where it would hear nothing
// once that member is cut off. Method: the third member knows of the leader first, is followed, and then the leader shows.
func TestFollowerOfUsersGoesToTheLeaderOnceItIsThere(t *testing.T) {
	members := []*fake{serve(t, 1), serve(t, 2), serve(t, 3)}
	client := open(t, members...)
	members[2].follow(2, 2)
	await(client, client.heard(3, 2, 2))
	told, ended := follow(t.Context(), client)
	require.EqualValues(t, 3, <-told)
	members[1].follow(2, 2)
	require.ErrorIs(t, <-ended, errdefs.ErrLeaderChanged)
	told, _ = follow(t.Context(), client)
	require.EqualValues(t, 2, <-told)
}

// Goal: who follows a member that is cut off, while the leader is out of reach, goes to one that is not. Method: views of members.
func TestMemberThatIsOutdone(t *testing.T) {
	second, third := at(1, 12, 13, 3), at(2, 13, 13, 3)
	cutOff := &member{Node: second.Node, Standing: &consensusv1.Standing{MemberId: 12, RaftTerm: 3}}
	for name, tc := range map[string]struct {
		members []*member
		want    bool
	}{
		"it and the leader":            {[]*member{second, third}, true},
		"it sees the leader":           {[]*member{second, at(0, 11, 13, 3)}, false},
		"it sees none, nor does any":   {[]*member{cutOff, at(0, 11, 0, 3)}, false},
		"it sees none, another does":   {[]*member{cutOff, at(0, 11, 13, 3)}, true},
		"it is gone, another sees one": {[]*member{at(0, 11, 13, 3)}, true},
		"it was left behind":           {[]*member{second, at(0, 11, 14, 4)}, true},
		"nobody is there":              {nil, false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, outdone(tc.members, second.Node)) })
	}
	require.False(t, outdone([]*member{third, cutOff}, third.Node))
}
