package rpc

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	leasev1 "github.com/quoratedb/quorate/pkg/gen/quorate/lease/v1"
	"github.com/quoratedb/quorate/pkg/rpc/validation"
	"github.com/quoratedb/quorate/services/lease"
)

var _ Node = (*lease.Service)(nil)

// calls is one call of each method, with what the fake answers.
var calls = map[string]func(context.Context, Service) (proto.Message, error){
	"Grant": func(ctx context.Context, s Service) (proto.Message, error) {
		return s.Grant(ctx, &leasev1.GrantRequest{Id: 7, Ttl: 10})
	},
	"Revoke": func(ctx context.Context, s Service) (proto.Message, error) {
		return s.Revoke(ctx, &leasev1.RevokeRequest{Id: 7})
	},
	"KeepAlive": func(ctx context.Context, s Service) (proto.Message, error) {
		return s.KeepAlive(ctx, &leasev1.KeepAliveRequest{Ids: []int64{7, 8}})
	},
	"TimeToLive": func(ctx context.Context, s Service) (proto.Message, error) {
		return s.TimeToLive(ctx, &leasev1.TimeToLiveRequest{Id: 7, Keys: true})
	},
	"List": func(ctx context.Context, s Service) (proto.Message, error) {
		return s.List(ctx, &leasev1.ListRequest{})
	},
}

// A caller must not be able to tell the client from the service. Make each call on both, when it succeeds and when it
// is refused.
func TestClientIsLikeTheService(t *testing.T) {
	f := &fake{}
	client := serve(t, f)
	for name, call := range calls {
		f.err = nil
		want, err := call(t.Context(), f)
		require.NoError(t, err)
		got, err := call(t.Context(), client)
		require.NoError(t, err, name)
		require.True(t, proto.Equal(want, got), "%s: want %v, got %v", name, want, got)
		for _, sentinel := range []error{
			errdefs.ErrLeaseNotFound, errdefs.ErrLeaseExists, errdefs.ErrLeaseTTLTooLarge, errdefs.ErrNoLeader,
			errdefs.ErrLeaderChanged, errdefs.ErrTimeout, errdefs.ErrStopped, errdefs.ErrTooManyRequests,
		} {
			f.err = fmt.Errorf("refused: %w", sentinel)
			_, err = call(t.Context(), client)
			require.ErrorIs(t, err, sentinel, name)
		}
	}
}

// What breaks the rules in proto/ must be refused before the service sees it. A keep-alive of nothing, and of too much.
func TestInvalidMessages(t *testing.T) {
	client := serve(t, &fake{})
	for _, n := range []int{0, 10_001} {
		_, err := client.KeepAlive(t.Context(), &leasev1.KeepAliveRequest{Ids: make([]int64, n)})
		require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), err)
	}
}

func serve(t *testing.T, n Node) Service {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(NewHandler(n, validation.Check))
	server := httptest.NewUnstartedServer(mux)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return NewClient(server.Client(), server.URL)
}

// fake answers from what it was asked, or with an error.
type fake struct{ err error }

func (f *fake) Grant(_ context.Context, r *leasev1.GrantRequest) (*leasev1.GrantResponse, error) {
	return &leasev1.GrantResponse{Id: r.Id, Ttl: r.Ttl, Revision: 3}, f.err
}

func (f *fake) Revoke(_ context.Context, r *leasev1.RevokeRequest) (*leasev1.RevokeResponse, error) {
	return &leasev1.RevokeResponse{Revision: r.Id}, f.err
}

func (f *fake) KeepAlive(_ context.Context, r *leasev1.KeepAliveRequest) (*leasev1.KeepAliveResponse, error) {
	return &leasev1.KeepAliveResponse{Ttls: r.Ids}, f.err
}

func (f *fake) TimeToLive(_ context.Context, r *leasev1.TimeToLiveRequest) (*leasev1.TimeToLiveResponse, error) {
	return &leasev1.TimeToLiveResponse{Ttl: -1, GrantedTtl: r.Id, Keys: [][]byte{[]byte("k")}}, f.err
}

func (f *fake) List(context.Context, *leasev1.ListRequest) (*leasev1.ListResponse, error) {
	return &leasev1.ListResponse{Ids: []int64{1, 2}}, f.err
}

func (f *fake) Standing() (uint64, bool, <-chan struct{}) { return 5, true, nil }
