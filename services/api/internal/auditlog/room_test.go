package auditlog

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// Goal: strangers leave room for everybody else's lines. Streams of theirs that say nothing hold none, though each has a line when it is refused,
// and log-ins, which wait while passwords are compared, fill a part alone. Method: many streams, of which one is refused and one is not, and as
// many log-ins as get in; then a request of somebody else.
func TestStrangersLeaveRoom(t *testing.T) {
	d := &disk{free: 2 * queueBytesMax}
	policy, err := Config{Level: LevelMetadata.String()}.policy()
	require.NoError(t, err)
	a := &Auditor{policy: policy, log: runLog(t, Config{}, d), names: auth.NewNames(nil, nil)}
	streams := make([]*Stream, 1000)
	for i := range streams {
		streams[i] = a.BeginStream(t.Context(), etcdserverpb.Lease_LeaseKeepAlive_FullMethodName)
		require.NoError(t, streams[i].Received(&etcdserverpb.LeaseKeepAliveRequest{ID: 7}))
	}
	a.log.mu.Lock()
	require.Zero(t, a.log.mu.held)
	a.log.mu.Unlock()
	require.ErrorIs(t, streams[0].End(context.Canceled), context.Canceled)
	require.Empty(t, d.String())
	require.ErrorIs(t, streams[1].End(rpctypes.ErrGRPCUserEmpty), rpctypes.ErrGRPCUserEmpty)
	require.Contains(t, d.String(), `"decision":"refused","code":"InvalidArgument"`)
	require.Contains(t, d.String(), `"of_lease":"7"`)

	login, put := &etcdserverpb.AuthenticateRequest{Name: "ann"}, &etcdserverpb.PutRequest{Key: []byte("k")}
	require.NoError(t, a.log.reserve(t.Context(), loginBytesMax-100, queueBytesMax))
	_, err = a.Begin(t.Context(), etcdserverpb.Auth_Authenticate_FullMethodName, login)
	require.ErrorIs(t, err, errNoRoom)
	_, err = a.Begin(t.Context(), etcdserverpb.KV_Put_FullMethodName, put)
	require.NoError(t, err)
}
