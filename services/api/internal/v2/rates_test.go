package v2

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/ratelimit"
)

// Goal: each kind of request has its class, and members and statistics have none. Method: requests by table.
func TestClassesOfRequests(t *testing.T) {
	for _, c := range []struct {
		method, target string
		want           ratelimit.Classes
	}{
		{"GET", "/v2/keys/a", ratelimit.Reads},
		{"HEAD", "/v2/keys/a?quorum=true", ratelimit.Reads},
		{"GET", "/v2/keys", ratelimit.Reads},
		{"GET", "/v2/keys/a?recursive=true&sorted=true", ratelimit.Lists},
		{"GET", "/v2/keys/a?recursive=1", ratelimit.Lists},
		{"GET", "/v2/keys/a?recursive=false", ratelimit.Reads},
		{"GET", "/v2/keys/a?wait=true&recursive=true", ratelimit.Watches},
		{"GET", "/v2/keys/a?wait=t&stream=true", ratelimit.Watches},
		{"PUT", "/v2/keys/a", ratelimit.Writes},
		{"POST", "/v2/keys/a", ratelimit.Writes},
		{"DELETE", "/v2/keys/a?recursive=true", ratelimit.Writes},
		{"GET", "/v2/keysmith", ratelimit.None},
		{"GET", "/v2/members", ratelimit.None},
		{"DELETE", "/v2/members/1", ratelimit.None},
		{"GET", "/v2/stats/store", ratelimit.None},
		{"PUT", "/v2/auth/enable", ratelimit.None},
		{"DELETE", "/v2/auth/enable", ratelimit.None},
		{"GET", "/v2/auth/users", ratelimit.Lists},
		{"GET", "/v2/auth/roles/", ratelimit.Lists},
		{"GET", "/v2/auth/users/ann", ratelimit.Reads},
		{"PUT", "/v2/auth/roles/r", ratelimit.Writes},
	} {
		require.Equal(t, c.want, classesOf(httptest.NewRequest(c.method, c.target, nil)), c.method+" "+c.target)
	}
}

// Goal: a request is counted once, for the user whom its password has shown, else for its address; somebody else's name with a wrong password
// uses up nothing of theirs; a directory is a listing; what is beyond the rate is not asked of the store. Method: requests on a store with one
// user, while the clock stands.
func TestRequestsAreHeldToRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		store := &fakeStore{read: func(_ context.Context, r *consensusv1.ReadTreeRequest) (*consensusv1.ReadTreeResponse, error) {
			asked++
			return &consensusv1.ReadTreeResponse{Node: &consensusv1.TreeNode{Path: r.GetPath(), Dir: string(r.GetPath()) == "/dir"}}, nil
		}}
		s := newServer(store, nil, t.Context())
		s.Auth = &lockedStore{}
		var err error
		names := auth.NewNames(nil, auth.NewFollower(nil, slog.New(slog.DiscardHandler)))
		s.Rates, err = ratelimit.New(ratelimit.Config{Mode: ratelimit.ModeEnforcing, Rates: []string{"reads=3", "lists=1"}}, names)
		require.NoError(t, err)
		status := func(password, target string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), "GET", target, nil)
			if password != "" {
				r.SetBasicAuth("ann", password)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w
		}
		for range 5 {
			require.Equal(t, http.StatusUnauthorized, status("wrong", "/v2/keys/file").Code)
		}
		for range 3 {
			require.Equal(t, http.StatusOK, status("a", "/v2/keys/file").Code)
		}
		refused := status("a", "/v2/keys/file")
		require.Equal(t, http.StatusTooManyRequests, refused.Code)
		require.Equal(t, `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: too many requests","index":0}`+"\n", refused.Body.String())
		require.Equal(t, 3, asked)

		require.Equal(t, http.StatusOK, status("", "/v2/keys/file").Code, "a guest")
		require.Equal(t, http.StatusOK, status("", "/v2/keys/dir").Code)
		require.Equal(t, http.StatusTooManyRequests, status("", "/v2/keys/dir").Code, "a listing")
		require.Equal(t, http.StatusTooManyRequests, status("", "/v2/keys/file?recursive=true").Code)
		require.Equal(t, http.StatusOK, status("a", "/v2/keys/dir?recursive=true").Code, "counted once")
		require.Equal(t, http.StatusTooManyRequests, status("", "/v2/keys/file").Code)
		require.Equal(t, http.StatusTooManyRequests, status("a", "/v2/auth/users").Code)
		require.Equal(t, http.StatusOK, status("a", "/v2/members").Code)
	})
}
