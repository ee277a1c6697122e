package natsusers

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch"
)

// store is one whose members agree or not, with users or without.
type store struct {
	Auth
	noLeader, enabled bool
	behind            uint64 // by how many changes is who is asked about rights
}

func (s store) ReadAuth(context.Context, *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error) {
	if s.noLeader {
		return nil, errdefs.ErrNoLeader
	}
	return &consensusv1.ReadAuthResponse{Enabled: s.enabled, AuthRevision: 7}, nil
}

func (s store) Authorize(_ context.Context, r *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	return &consensusv1.AuthorizeResponse{Enabled: s.enabled, AuthRevision: 7 - s.behind}, nil
}

func (s store) Authenticate(_ context.Context, r *consensusv1.AuthenticateRequest) (*consensusv1.AuthenticateResponse, error) {
	if r.GetPassword() != "right" {
		return nil, errdefs.ErrAuthFailed
	}
	return &consensusv1.AuthenticateResponse{}, nil
}

// Goal: without users NATS clients come in whether or not there is a leader, and with users nobody does without a password, whether or
// not there is one. Method: all four.
func TestAdmitWithAndWithoutALeader(t *testing.T) {
	for _, s := range []store{{}, {noLeader: true}, {enabled: true}, {noLeader: true, enabled: true}} {
		k := newKeeper(s, slog.New(slog.DiscardHandler))
		rights, standing, err := k.Admit("ann", "wrong")
		require.Equal(t, watch.Standing{Enabled: s.enabled, Revision: 7}, standing, "%+v", s)
		require.Equal(t, s.enabled, errors.Is(err, errdefs.ErrAuthFailed), "%+v", s)
		require.False(t, rights.Everything)
		_, _, err = k.Admit("ann", "right")
		require.NoError(t, err, "%+v", s) // this store lets everybody read everything
	}
}

// Goal: rights that a member that is behind has told of are known to be from before the change that it has not heard of. Method: one that is two behind.
func TestRightsAreAsOldAsWhoTellsOfThem(t *testing.T) {
	_, standing, err := newKeeper(store{enabled: true, behind: 2}, slog.New(slog.DiscardHandler)).Admit("ann", "right")
	require.NoError(t, err)
	require.Equal(t, watch.Standing{Enabled: true, Revision: 5}, standing)
}

// FollowAuth implements Auth: each stream tells one thing, and is lost.
func (s store) FollowAuth(_ context.Context, _ *consensusv1.FollowAuthRequest, send func(*consensusv1.FollowAuthResponse) error) error {
	if err := send(&consensusv1.FollowAuthResponse{Enabled: s.enabled, AuthRevision: 7}); err != nil {
		return err
	}
	return errdefs.ErrStopped
}

// Goal: how users and roles are when they are first followed counts for who has come in before (a right that went meanwhile stayed for ever), and after a
// time in which nobody could be followed all come in anew. Method: a stream that is lost after one message, twice.
func TestFollowersAreToldHowUsersAreAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type review struct {
			now watch.Standing
			all bool
		}
		var reviews []review
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, Follow(store{enabled: true}, slog.New(slog.DiscardHandler))(ctx, func(now watch.Standing, all bool) error {
			if reviews = append(reviews, review{now, all}); len(reviews) == 3 {
				cancel()
			}
			return nil
		}))
		now := watch.Standing{Enabled: true, Revision: 7}
		require.Equal(t, []review{{now, false}, {now, true}, {now, true}}, reviews)
	})
}

// readable is a store in which somebody has one role, with permissions of these keys, and may read all keys that begin with a slash.
type readable struct {
	Auth
	keys []string
}

func (s readable) ReadAuth(context.Context, *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error) {
	answer := &consensusv1.ReadAuthResponse{Roles: []string{"reader"}}
	for _, key := range s.keys {
		answer.Permissions = append(answer.Permissions, &consensusv1.Permission{Key: []byte(key)})
	}
	return answer, nil
}

func (readable) Authorize(_ context.Context, r *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	if r.GetAccesses()[0].GetKey()[0] != '/' {
		return nil, errdefs.ErrPermissionDenied
	}
	return &consensusv1.AuthorizeResponse{}, nil
}

// Goal: who may read /a/ and //a/ hears nothing of a/, whose subjects are those of /a/: a directory is asked about with a slash in front and without, and
// one that begins with a slash all the same would be taken for the one below it. Method: permissions with one slash, two and three.
func TestDirectoriesBeginWithNoSlash(t *testing.T) {
	k := newKeeper(readable{keys: []string{"/a/", "//a/", "///a/", "//", "/"}}, slog.New(slog.DiscardHandler))
	rights, err := k.rights(t.Context(), "ann", &watch.Standing{})
	require.NoError(t, err)
	require.Empty(t, rights.Directories)
}
