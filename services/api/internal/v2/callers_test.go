package v2

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// lockedStore is a store with the user ann.
type lockedStore struct {
	noUsers
	revision uint64
}

func (l *lockedStore) Authenticate(_ context.Context, r *consensusv1.AuthenticateRequest) (*consensusv1.AuthenticateResponse, error) {
	if r.GetName() != "ann" || r.GetPassword() != "a" {
		return nil, errdefs.ErrAuthFailed
	}
	l.revision++
	return &consensusv1.AuthenticateResponse{AuthRevision: l.revision}, nil
}

func (l *lockedStore) FollowAuth(ctx context.Context, _ *consensusv1.FollowAuthRequest, send func(*consensusv1.FollowAuthResponse) error) error {
	_ = send(&consensusv1.FollowAuthResponse{})
	<-ctx.Done()
	return ctx.Err()
}

// ReadAuth says that authentication is not enabled.
func (l *lockedStore) ReadAuth(context.Context, *consensusv1.ReadAuthRequest) (*consensusv1.ReadAuthResponse, error) {
	return &consensusv1.ReadAuthResponse{}, nil
}

// A request is made for whom its credentials show, and made again where what was known of them has changed in between. Method: each
// kind of credentials, and what the store is asked for whom.
func TestCallersOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &lockedStore{}
		s := newServer(&fakeStore{}, nil, t.Context())
		s.Auth = store
		asked := func(user, password string, refusals ...error) (callers []string, err error) {
			r := httptest.NewRequest("GET", "/v2/keys/", nil)
			if user != "" {
				r.SetBasicAuth(user, password)
			}
			if password == "?" {
				r.Header.Set("Authorization", "Bearer x")
			}
			err = s.forCaller(t.Context(), r, func(caller *consensusv1.Caller) error {
				callers = append(callers, caller.String())
				if len(refusals) < len(callers) {
					return nil
				}
				return refusals[len(callers)-1]
			})
			return callers, err
		}
		of := func(c *consensusv1.Caller) string { return c.String() }
		for _, c := range []struct {
			name, password string
			refusals       []error
			want           []string
			err            error
		}{
			{name: "", want: []string{of(guest)}},
			{name: "ann", password: "?", want: []string{of(invalid)}},
			{name: "ann", password: "b", err: errdefs.ErrAuthFailed},
			{name: "ann", password: "a", want: []string{of(&consensusv1.Caller{Name: "ann", Revision: 1})}},
			{name: "ann", password: "a", refusals: []error{errdefs.ErrPermissionDenied}, want: []string{of(&consensusv1.Caller{Name: "ann", Revision: 2})}, err: errdefs.ErrPermissionDenied},
			{name: "ann", password: "a", refusals: []error{errdefs.ErrAuthOldRevision}, want: []string{
				of(&consensusv1.Caller{Name: "ann", Revision: 3}), of(&consensusv1.Caller{Name: "ann", Revision: 4}),
			}},
		} {
			got, err := asked(c.name, c.password, c.refusals...)
			require.ErrorIs(t, err, c.err, c)
			require.Equal(t, c.want, got, c)
		}

		s.Follower = auth.NewFollower(store, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { s.Follower.Run(ctx); close(ended) }()
		synctest.Wait()
		got, err := asked("ann", "wrong")
		require.NoError(t, err, "nobody asks while authentication is off")
		require.Equal(t, []string{of(nil)}, got)
		got, err = asked("ann", "a", errdefs.ErrUserEmpty)
		require.NoError(t, err, "it was enabled just now")
		require.Equal(t, []string{of(nil), of(&consensusv1.Caller{Name: "ann", Revision: 5})}, got)
		stop()
		<-ended
	})
}

// Changes of users and roles that cannot be made are the client's fault, and the store does not hear of them. Method: a role of more paths
// than a request may be large, which the log would have to hold, and a name that no user can have.
func TestChangesThatCannotBeMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(&fakeStore{}, nil, t.Context())
		s.Auth = &lockedStore{}
		w := ask(t, s, "PUT", "/v2/auth/roles/r", `{"role": "r", "permissions": {"kv": {"read": ["/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h"]}}}`)
		require.Equal(t, 400, w.Code)
		require.Contains(t, w.Body.String(), "request is too large")
		require.Equal(t, 400, ask(t, s, "DELETE", "/v2/auth/users/%ff", "").Code)
	})
}

// Paths of roles are ranges of keys, and ranges are paths where v2 has one. Method: each kind, there and back.
func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		of      span
		pattern string
	}{
		{span{"/a", ""}, "/a"},
		{span{"/a/", "/a0"}, "/a/*"},
		{span{"/a", "/b"}, "/a*"},
		{span{"/", "0"}, "/*"},
		{everything, "*"},
		{span{"/a", "/c"}, ""},
		{span{"/a", "\x00"}, ""},
		{span{"/a*", ""}, ""},
		{span{"\xff", "\x00"}, ""},
	} {
		pattern, ok := c.of.pattern()
		require.Equal(t, c.pattern != "", ok, c.of)
		if ok {
			require.Equal(t, c.pattern, pattern)
			require.Equal(t, c.of, spanOf(pattern))
		}
	}
	require.Equal(t, "\x00", prefixEnd("\xff\xff"))
}
