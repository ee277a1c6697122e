package auth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// users are a store's: one user, whose tokens it has ended or not.
type users struct {
	ended    error
	revision uint64
	asked    int
}

func (u *users) Authorize(context.Context, *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	u.asked++
	if u.ended != nil {
		return nil, u.ended
	}
	return &consensusv1.AuthorizeResponse{Name: "alice"}, nil
}

func (*users) ReadAuth(context.Context, *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error) {
	return nil, errors.New("nobody's roles are asked for")
}

func (*users) FollowAuth(context.Context, *consensusv1.FollowAuthRequest, func(*consensusv1.FollowAuthResponse) error) error {
	return errors.New("nobody follows")
}

func (u *users) AuthStands() (enabled bool, authRevision uint64) { return true, u.revision }

// Goal: a token shows its user for as long as the store says so, which is not asked each time, and nobody once it has ended: by a change of
// users, or by its time. Method: a token of the store's and a signed one, asked about again and again in a bubble of time.
func TestEndedTokensShowNobody(t *testing.T) {
	for proof, c := range map[string]struct {
		caller *consensusv1.Caller
		ended  error
	}{
		auth.ProofToken:       {&consensusv1.Caller{Token: "t"}, errdefs.ErrInvalidAuthToken},
		auth.ProofSignedToken: {&consensusv1.Caller{Name: "alice", Revision: 7}, errdefs.ErrAuthOldRevision},
	} {
		t.Run(proof, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &users{revision: 7}
				names := auth.NewNames(store, auth.NewFollower(store, nil))
				ctx := auth.With(t.Context(), &auth.Identity{Caller: c.caller, Proof: proof})
				shows := func(name, how string) {
					t.Helper()
					gotName, gotHow := names.Of(ctx)
					require.Equal(t, []string{name, how}, []string{gotName, gotHow})
				}
				shows("alice", proof)
				shows("alice", proof)
				require.Equal(t, 1, store.asked)
				store.ended = c.ended
				store.revision++ // as a change of the password does
				shows("", auth.ProofInvalid)
				store.ended = nil
				shows("alice", proof)
				store.ended = c.ended
				<-time.After(time.Minute)
				shows("", auth.ProofInvalid)
			})
		})
	}
}

// Goal: whose name was shown by a signature, and who is no user here, keeps that name: it is nobody else's. Method: a store that knows no such user.
func TestSignedNamesOfNoUser(t *testing.T) {
	store := &users{ended: errdefs.ErrPermissionDenied}
	names := auth.NewNames(store, auth.NewFollower(store, nil))
	name, proof := names.Of(auth.With(t.Context(), &auth.Identity{Caller: &consensusv1.Caller{Name: "robot", Revision: 7}}))
	require.Equal(t, []string{"robot", auth.ProofSignedToken}, []string{name, proof})
}
