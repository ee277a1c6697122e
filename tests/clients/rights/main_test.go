package rights

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/quoratedb/quorate/tests/harness"
)

var shared *harness.Server

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, func(s *harness.Server) { shared = s }, cheap))
}

// fullEnv has the matrix ask on each wire what it otherwise asks on one of them in turn.
const fullEnv = "QUORATE_TEST_FULL"

// identity is one who calls, and what is known of them.
type identity struct {
	name    string
	refusal error // why nobody by that name may do anything
	token   string
	root    bool
	// read and write tell which keys the user's role lets them read and write, one by one.
	read, write func(key string) bool
	// granted is the permission of the role, for the store.
	granted *pb.AuthRoleGrantPermissionRequest
	// newest is the revision that attach left, for requests that name one.
	newest int64
}

func password(name string) string { return name + "'s" }

func identities() []*identity {
	none := func(string) bool { return false }
	one := func(key string) bool { return key == "m/k" }
	prefix := func(key string) bool { return strings.HasPrefix(key, "m/") }
	other := func(key string) bool { return strings.HasPrefix(key, "n/") }
	from := func(key string) bool { return key >= "m/k" }
	return []*identity{
		{name: "nobody", refusal: rpctypes.ErrGRPCUserEmpty},
		{name: "liar", refusal: rpctypes.ErrGRPCInvalidAuthToken, token: "made.up"},
		{name: "powerless", read: none, write: none},
		{name: "one", read: one, write: one, granted: permission(authpb.READWRITE, "m/k", "")},
		{name: "prefix", read: prefix, write: prefix, granted: permission(authpb.READWRITE, "m/", "m0")},
		{name: "other", read: other, write: other, granted: permission(authpb.READWRITE, "n/", "n0")},
		{name: "reader", read: prefix, write: none, granted: permission(authpb.READ, "m/", "m0")},
		{name: "writer", read: none, write: prefix, granted: permission(authpb.WRITE, "m/", "m0")},
		{name: "from", read: from, write: from, granted: permission(authpb.READWRITE, "m/k", "\x00")},
		{name: "root", root: true},
	}
}

func permission(kind authpb.Permission_Type, key, end string) *pb.AuthRoleGrantPermissionRequest {
	return &pb.AuthRoleGrantPermissionRequest{Perm: &authpb.Permission{PermType: kind, Key: []byte(key), RangeEnd: []byte(end)}}
}

// locked is a store on which users count, with the identities known to it.
type locked struct {
	server *harness.Server
	conn   *grpc.ClientConn
	all    []*identity
}

// store runs a server for one test, to which passwords cost little.
func store(t *testing.T, args ...string) *harness.Server {
	t.Helper()
	return harness.Run(t, append([]string{cheap}, args...)...)
}

const cheap = "--bcrypt-cost=4"

// lock makes users of the identities on a fresh server, and has them count.
func lock(t *testing.T, server *harness.Server) *locked {
	t.Helper()
	conn, err := grpc.NewClient(server.Endpoint(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	l := &locked{server: server, conn: conn, all: identities()}
	ctx, auth := harness.Context(t), pb.NewAuthClient(conn)
	for _, who := range l.all {
		if who.refusal != nil {
			continue
		}
		_, err := auth.UserAdd(ctx, &pb.AuthUserAddRequest{Name: who.name, Password: password(who.name)})
		require.NoError(t, err)
		_, err = auth.RoleAdd(ctx, &pb.AuthRoleAddRequest{Name: who.name})
		require.NoError(t, err)
		if who.granted != nil {
			who.granted.Name = who.name
			_, err = auth.RoleGrantPermission(ctx, who.granted)
			require.NoError(t, err)
		}
		_, err = auth.UserGrantRole(ctx, &pb.AuthUserGrantRoleRequest{User: who.name, Role: who.name})
		require.NoError(t, err)
	}
	_, err = auth.AuthEnable(ctx, &pb.AuthEnableRequest{})
	require.NoError(t, err)
	for _, who := range l.all {
		if who.refusal == nil {
			login, err := auth.Authenticate(ctx, &pb.AuthenticateRequest{Name: who.name, Password: password(who.name)})
			require.NoError(t, err, who.name)
			who.token = login.GetToken()
		}
	}
	return l
}

// as returns who has a name.
func (l *locked) as(name string) *identity {
	for _, who := range l.all {
		if who.name == name {
			return who
		}
	}
	panic(fmt.Sprintf("there is no %s", name))
}
