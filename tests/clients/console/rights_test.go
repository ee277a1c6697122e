package console

import (
	"context"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/console/v1/consolev1connect"
	"github.com/quoratedb/quorate/tests/harness"
)

// callers are a store with authentication, and who asks it.
type callers struct {
	t                 *testing.T
	ctx               context.Context
	revision          int64
	nobody, ann, root consolev1connect.ConsoleServiceClient
	server            *harness.Server
}

// newCallers starts a store where ann may read /a/ and nothing else.
func newCallers(t *testing.T) *callers {
	t.Helper()
	s := harness.Run(t, "--bcrypt-cost", "4")
	c := &callers{t: t, ctx: harness.Context(t), server: s}
	ctx, client := c.ctx, harness.Client(t, s)
	c.revision = put(t, client, "/a/k", "v", "/b/k", "v")
	lease, err := client.Grant(ctx, 600)
	require.NoError(t, err)
	_, err = client.Put(ctx, "/b/leased", "v", clientv3.WithLease(lease.ID))
	require.NoError(t, err)
	for _, err := range []error{
		second(client.UserAdd(ctx, "root", "p")), second(client.UserGrantRole(ctx, "root", "root")),
		second(client.RoleAdd(ctx, "reader")), second(client.RoleGrantPermission(ctx, "reader", "/a/", "/a0", clientv3.PermissionType(clientv3.PermRead))),
		second(client.UserAdd(ctx, "ann", "p")), second(client.UserGrantRole(ctx, "ann", "reader")), second(client.AuthEnable(ctx)),
	} {
		require.NoError(t, err)
	}
	token := func(user string) string {
		answer, err := client.Authenticate(ctx, user, "p")
		require.NoError(t, err)
		return answer.Token
	}
	c.nobody, c.ann, c.root = page(s, ""), page(s, token("ann")), page(s, token("root"))
	return c
}

// ask is a question to the console, and the code with which it is refused, 0 for an answer.
type ask struct {
	what              string
	by                func(consolev1connect.ConsoleServiceClient) error
	nobody, ann, root connect.Code
}

// none is etcd's code for "user name is empty".
const none = connect.CodeInvalidArgument

// reads are questions that change nothing.
func (c *callers) reads() []ask {
	return []ask{
		{"search its own", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.Search(c.ctx, &consolev1.SearchRequest{Prefix: []byte("/a/"), Contains: []byte("k")}))
		}, none, 0, 0},
		{"search all", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.Search(c.ctx, &consolev1.SearchRequest{Contains: []byte("k")}))
		}, none, connect.CodePermissionDenied, 0},
		{"preview its own", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.Preview(c.ctx, &consolev1.PreviewRequest{Plan: putBack("/a/", true, c.revision)}))
		}, none, 0, 0},
		{"preview another's", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.Preview(c.ctx, &consolev1.PreviewRequest{Plan: putBack("/b/", true, c.revision)}))
		}, none, connect.CodePermissionDenied, 0},
		{"leases", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.Leases(c.ctx, &consolev1.LeasesRequest{}))
		}, none, connect.CodePermissionDenied, 0},
		{"locks", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.Locks(c.ctx, &consolev1.LocksRequest{}))
		}, none, connect.CodePermissionDenied, 0},
		{"locks of its own", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.Locks(c.ctx, &consolev1.LocksRequest{Prefix: []byte("/a/")}))
		}, none, 0, 0},
		{"cluster", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.Cluster(c.ctx, &consolev1.ClusterRequest{}))
		}, none, 0, 0},
		{"series", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.Series(c.ctx, &consolev1.SeriesRequest{}))
		}, none, 0, 0},
	}
}

// others are questions about the process and others, and what changes something.
func (c *callers) others() []ask {
	drop := &consolev1.Plan{Change: &consolev1.Plan_Delete{Delete: &consolev1.BulkDelete{Prefix: []byte("/a/")}}}
	return []ask{
		{"slow requests", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.SlowRequests(c.ctx, &consolev1.SlowRequestsRequest{}))
		}, none, connect.CodePermissionDenied, 0},
		{"audit trail", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.AuditTrail(c.ctx, &consolev1.AuditTrailRequest{}))
		}, none, connect.CodePermissionDenied, 0},
		{"move the leader", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.MoveLeader(c.ctx, &consolev1.MoveLeaderRequest{TargetId: 1}))
		}, none, connect.CodePermissionDenied, connect.CodeFailedPrecondition},
		{"rights of oneself", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.Rights(c.ctx, &consolev1.RightsRequest{}))
		}, none, 0, 0},
		{"rights of another", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.Rights(c.ctx, &consolev1.RightsRequest{User: "root"}))
		}, none, connect.CodePermissionDenied, 0},
		{"listen", func(to consolev1connect.ConsoleServiceClient) error {
			stream := listen(c.t, to, &consolev1.LiveRequest{Cluster: true})
			stream.Receive()
			return stream.Err()
		}, none, 0, 0},
		{"apply", func(to consolev1connect.ConsoleServiceClient) error {
			return second(to.Apply(c.ctx, &consolev1.ApplyRequest{Plan: drop, Revision: c.revision}))
		}, none, connect.CodePermissionDenied, 0}, // the last: root does it
	}
}

// Goal: by the console everybody may do what they may do by etcd's API, and no more: nobody, a user who may only read a prefix, and root. Method: every
// method by each of them.
func TestRights(t *testing.T) {
	t.Parallel()
	all := newCallers(t)
	for _, c := range append(all.reads(), all.others()...) {
		for i, to := range []consolev1connect.ConsoleServiceClient{all.nobody, all.ann, all.root} {
			want, err := []connect.Code{c.nobody, c.ann, c.root}[i], c.by(to)
			if want == 0 {
				require.NoError(t, err, "%s, caller %d", c.what, i)
			} else {
				require.Equal(t, want, connect.CodeOf(err), "%s, caller %d: %v", c.what, i, err)
			}
		}
	}
}

// Goal: who asks is told who they are and what they may do, and no more; a watch of what may not be read ends alone. Method: the same callers.
func TestWhoMayWhat(t *testing.T) {
	t.Parallel()
	c := newCallers(t)
	ctx, s, nobody, ann, root := c.ctx, c.server, c.nobody, c.ann, c.root
	about, err := nobody.About(ctx, &consolev1.AboutRequest{})
	require.NoError(t, err)
	require.True(t, about.AuthEnabled)
	require.Zero(t, about.ClusterId)
	require.Empty(t, about.User)
	about, err = ann.About(ctx, &consolev1.AboutRequest{})
	require.NoError(t, err)
	require.Equal(t, []any{"ann", []string{"reader"}, false}, []any{about.User, about.Roles, about.Root})
	about, err = page(s, "no token").About(ctx, &consolev1.AboutRequest{})
	require.NoError(t, err)
	require.Equal(t, "invalid token", about.Proof)

	may, err := ann.Rights(ctx, &consolev1.RightsRequest{Key: []byte("/a/x")})
	require.NoError(t, err)
	require.Equal(t, []bool{true, false, false}, []bool{may.MayRead, may.MayWrite, may.Root})
	require.Equal(t, "reader", may.Permissions[0].Role)
	may, err = root.Rights(ctx, &consolev1.RightsRequest{User: "ann", Key: []byte("/a/"), RangeEnd: []byte("/b0")})
	require.NoError(t, err)
	require.False(t, may.MayRead, "a part of it is not enough")

	stream := listen(t, ann, watching("/a/", "/b/"))
	var started, ended bool
	await(t, stream, func(r *consolev1.LiveResponse) bool {
		started = started || r.GetStarted().GetWatchId() == 1
		ended = ended || r.GetEnded().GetWatchId() == 2 && r.GetEnded().Reason == "etcdserver: permission denied"
		return started && ended
	})
}

func second[T any](_ T, err error) error { return err }
