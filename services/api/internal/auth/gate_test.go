package auth_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// authorizer is one of a test.
type authorizer func(context.Context, *consensusv1.AuthorizeRequest) error

func (a authorizer) Authorize(ctx context.Context, r *consensusv1.AuthorizeRequest) (*consensusv1.AuthorizeResponse, error) {
	return &consensusv1.AuthorizeResponse{}, a(ctx, r)
}

// Goal: each kind of method asks the store for what it needs, and one that the table has not is refused to everybody. Method: one request
// of each kind.
func TestGateAsks(t *testing.T) {
	alice := &consensusv1.Caller{Name: "alice"}
	ctx := auth.With(t.Context(), &auth.Identity{Caller: alice})
	for _, c := range []struct {
		method  string
		request any
		want    *consensusv1.AuthorizeRequest // nil asks nothing
	}{
		{"/etcdserverpb.KV/Put", &etcdserverpb.PutRequest{}, nil},
		{"/etcdserverpb.Auth/Authenticate", &etcdserverpb.AuthenticateRequest{}, nil},
		{"/etcdserverpb.Lease/LeaseRevoke", &etcdserverpb.LeaseRevokeRequest{}, &consensusv1.AuthorizeRequest{}},
		{"/etcdserverpb.Cluster/MemberList", &etcdserverpb.MemberListRequest{}, &consensusv1.AuthorizeRequest{}},
		{"/etcdserverpb.Maintenance/Snapshot", nil, &consensusv1.AuthorizeRequest{Root: true}},
		{"/etcdserverpb.Maintenance/Alarm", &etcdserverpb.AlarmRequest{}, &consensusv1.AuthorizeRequest{}},
		{
			"/etcdserverpb.Maintenance/Alarm", &etcdserverpb.AlarmRequest{Action: etcdserverpb.AlarmRequest_DEACTIVATE},
			&consensusv1.AuthorizeRequest{Root: true},
		},
		{"/etcdserverpb.Maintenance/Alarm", &etcdserverpb.AlarmRequest{Action: 99}, &consensusv1.AuthorizeRequest{Root: true}},
		{"/etcdserverpb.Lease/LeaseTimeToLive", &etcdserverpb.LeaseTimeToLiveRequest{ID: 7}, &consensusv1.AuthorizeRequest{}},
		{
			"/etcdserverpb.Lease/LeaseTimeToLive", &etcdserverpb.LeaseTimeToLiveRequest{ID: 7, Keys: true},
			&consensusv1.AuthorizeRequest{Lease: 7, LeaseAccess: consensusv1.Permission_TYPE_READ},
		},
		{"/etcdserverpb.Lease/LeaseLeases", &etcdserverpb.LeaseLeasesRequest{}, &consensusv1.AuthorizeRequest{AllLeases: true}},
	} {
		var asked *consensusv1.AuthorizeRequest
		gate := auth.NewGate(authorizer(func(_ context.Context, r *consensusv1.AuthorizeRequest) error {
			asked = r
			return errdefs.ErrPermissionDenied
		}), time.Second, slog.New(slog.DiscardHandler))
		err := gate.Admit(ctx, auth.NeedOf(c.method), c.request)
		if c.want == nil {
			require.NoError(t, err, c.method)
			require.Nil(t, asked, c.method)
			continue
		}
		require.Equal(t, "etcdserver: permission denied", status.Convert(err).Message(), c.method)
		c.want.Caller = alice
		require.True(t, proto.Equal(c.want, asked), "%s asked %v", c.method, asked)
	}
	gate := auth.NewGate(authorizer(func(context.Context, *consensusv1.AuthorizeRequest) error { return nil }), time.Second, slog.New(slog.DiscardHandler))
	err := gate.Admit(ctx, auth.NeedOf("/etcdserverpb.KV/Invented"), nil)
	require.Equal(t, "etcdserver: permission denied", status.Convert(err).Message())
}

// Goal: a store that does not answer holds no call for longer than a request may take, and a token that has ended while its stream went on
// shows nobody. Method: an authorizer that waits, in a bubble of time.
func TestGateIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked *consensusv1.Caller
		gate := auth.NewGate(authorizer(func(ctx context.Context, r *consensusv1.AuthorizeRequest) error {
			asked = r.GetCaller()
			<-ctx.Done()
			return ctx.Err()
		}), 7*time.Second, slog.New(slog.DiscardHandler))
		ctx := auth.With(t.Context(), &auth.Identity{Caller: &consensusv1.Caller{Name: "alice"}, Ends: time.Now().Add(time.Second)})
		_, err := gate.Ask(ctx, &consensusv1.AuthorizeRequest{})
		require.ErrorIs(t, err, errdefs.ErrTimeout)
		require.Equal(t, "alice", asked.GetName())
		_, err = gate.Ask(ctx, &consensusv1.AuthorizeRequest{})
		require.ErrorIs(t, err, errdefs.ErrTimeout)
		require.True(t, asked.GetInvalid())
	})
}
