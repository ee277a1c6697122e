package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	v1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/validation"
)

// A caller must not be able to tell the client from the service. Make each call on both, when it succeeds and when it
// is refused, at once or after a part of the answer.
func TestClientIsLikeTheService(t *testing.T) {
	f := &fake{}
	client := serve(t, f)
	for name, call := range calls {
		f.err = nil
		want, err := call(t.Context(), f)
		require.NoError(t, err)
		require.NotEmpty(t, want)
		got, err := call(t.Context(), client)
		require.NoError(t, err, name)
		require.Len(t, got, len(want), name)
		for i := range want {
			require.True(t, proto.Equal(want[i], got[i]), "%s: want %v, got %v", name, want[i], got[i])
		}
		for _, sentinel := range []error{
			errdefs.ErrCompacted, errdefs.ErrFutureRevision, errdefs.ErrKeyNotFound, errdefs.ErrLeaseNotFound,
			errdefs.ErrStaleEpoch, errdefs.ErrNoSpace, errdefs.ErrCorrupt, errdefs.ErrNoLeader, errdefs.ErrTimeout,
			errdefs.ErrTooManyRequests, errdefs.ErrTooLarge, errdefs.ErrStopped,
		} {
			f.err = fmt.Errorf("refused: %w", sentinel)
			want, _ = call(t.Context(), f)
			got, err = call(t.Context(), client)
			require.ErrorIs(t, err, sentinel, name)
			require.Len(t, got, len(want), "%s: what came before the error", name)
		}
	}
}

// What breaks the rules in proto/ must be refused before the service sees it, in streams too. A call of each kind.
func TestInvalidMessages(t *testing.T) {
	client := serve(t, &fake{})
	_, err := client.Propose(t.Context(), &v1.ProposeRequest{})
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), err)
	_, err = client.Range(t.Context(), &v1.RangeRequest{Range: &v1.RangeOp{}})
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), err)
	err = client.Tail(t.Context(), &v1.TailRequest{}, func(*v1.TailResponse) error { return nil })
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), err)
}

// A lease may have any id but 0: clients of a node apart may choose one below zero too.
func TestNegativeLeaseIDPasses(t *testing.T) {
	client := serve(t, &fake{})
	grant := func(id int64) error {
		_, err := client.Propose(t.Context(), &v1.ProposeRequest{Command: &v1.Command{
			Command: &v1.Command_LeaseGrant{LeaseGrant: &v1.LeaseGrantOp{Id: id, Ttl: 100}},
		}})
		return err
	}
	require.NoError(t, grant(-1))
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(grant(0)))
}

// An endless stream must end on both sides when its caller cancels or refuses a message, or when it is left by a dead
// caller. Tail three times, and wait for the service's side each time.
func TestEndlessStreamEnds(t *testing.T) {
	f := &fake{ended: make(chan error)}
	client := serve(t, f)
	tail := &v1.TailRequest{FromRevision: 1}

	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := client.Tail(ctx, tail, func(*v1.TailResponse) error {
		if n++; n == 3 {
			cancel()
		}
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Error(t, <-f.ended)

	full := errors.New("my disk is full")
	err = client.Tail(t.Context(), tail, func(*v1.TailResponse) error { return full }) // it is given up: it has no end to be read to
	require.ErrorIs(t, err, full)
	require.Error(t, <-f.ended)

	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = client.Tail(ctx, tail, func(*v1.TailResponse) error { return nil })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Error(t, <-f.ended)
}

// A service that cannot be reached must look like one that lost its leader: the caller may try again elsewhere, and
// cannot know what took effect. Call a closed server.
func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	client := NewClient(server.Client(), server.URL)
	for name, call := range calls {
		_, err := call(t.Context(), client)
		require.ErrorIs(t, err, errdefs.ErrLeaderChanged, name)
	}
}

func serve(t *testing.T, m Member) Service {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(NewHandler(m, &fake{}, &fake{}, &fake{}, validation.Check))
	server := httptest.NewUnstartedServer(mux)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return NewClient(server.Client(), server.URL)
}

// Goal: the service of users and roles is served, alone and in batches, with its stream. Method: each method by its client, and the
// methods that batches know.
func TestAuthIsServed(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle(NewAuthHandler(&fake{}, validation.Check))
	server := httptest.NewUnstartedServer(mux)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := NewAuthClient(server.Client(), server.URL)
	login, err := client.Authenticate(t.Context(), &v1.AuthenticateRequest{})
	require.NoError(t, err)
	may, err := client.Authorize(t.Context(), &v1.AuthorizeRequest{})
	require.NoError(t, err)
	read, err := client.ReadAuth(t.Context(), &v1.ReadAuthRequest{Read: &v1.ReadAuthRequest_Status{Status: &v1.AuthStatusRead{}}})
	require.NoError(t, err)
	var told uint64
	require.NoError(t, client.FollowAuth(t.Context(), &v1.FollowAuthRequest{}, func(r *v1.FollowAuthResponse) error {
		told = r.GetAuthRevision()
		return nil
	}))
	require.Equal(t, [4]uint64{17, 18, 19, 20}, [4]uint64{login.GetAuthRevision(), may.GetAuthRevision(), read.GetAuthRevision(), told})
	known := methods(&fake{}, &fake{}, &fake{}, &fake{}, validation.Check)
	for _, method := range []string{"Authenticate", "Authorize", "ReadAuth", "ReadQuotas", "Inspect"} {
		require.Contains(t, known, method)
	}
}
