package rights

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/quoratedb/quorate/tests/harness"
)

// watching is a stream of watches of one user, one of each key.
type watching struct {
	pb.Watch_WatchClient
	t *testing.T
}

func (l *locked) watch(t *testing.T, name string, keys ...string) *watching {
	t.Helper()
	stream, err := pb.NewWatchClient(l.conn).Watch(l.by(t, name))
	require.NoError(t, err)
	w := &watching{stream, t}
	for i, key := range keys {
		require.NoError(t, stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
			CreateRequest: &pb.WatchCreateRequest{Key: []byte(key), WatchId: int64(i + 1)},
		}}))
		answer := w.next()
		require.True(t, answer.GetCreated() && !answer.GetCanceled(), "%v", answer)
	}
	return w
}

func (w *watching) next() *pb.WatchResponse {
	w.t.Helper()
	answer, err := w.Recv()
	require.NoError(w.t, err)
	return answer
}

// sees has root put a key, and expects the watch of it to tell.
func (w *watching) sees(l *locked, id int64, key string) {
	w.t.Helper()
	_, err := pb.NewKVClient(l.conn).Put(l.by(w.t, "root"), &pb.PutRequest{Key: []byte(key)})
	require.NoError(w.t, err)
	answer := w.next()
	require.Equal(w.t, id, answer.GetWatchId(), "%v", answer)
	require.Len(w.t, answer.GetEvents(), 1)
}

// ended expects watches to have been canceled, in any order, for want of the right.
func (w *watching) ended(ids ...int64) {
	w.t.Helper()
	var got []int64
	for range ids {
		answer := w.next()
		require.True(w.t, answer.GetCanceled(), "%v", answer)
		require.Equal(w.t, rpctypes.ErrGRPCPermissionDenied.Error(), answer.GetCancelReason())
		got = append(got, answer.GetWatchId())
	}
	require.ElementsMatch(w.t, ids, got)
}

// Goal: what a user may no longer read, open watches tell no more, from the acknowledgement of the change on; watches of what they still
// may read go on. Method: a stream with two watches of a user of two roles; the permission of one role goes, then the other role, and
// at last a user. With etcd all watches go on, which is shown too.
func TestRolesCountOnOpenWatches(t *testing.T) {
	l := lock(t, store(t))
	auth := pb.NewAuthClient(l.conn)
	_, err := auth.UserGrantRole(l.by(t, "root"), &pb.AuthUserGrantRoleRequest{User: "prefix", Role: "other"})
	require.NoError(t, err)
	w, gone := l.watch(t, "prefix", "m/k", "n/x", "m/a"), l.watch(t, "from", "m/k")
	w.sees(l, 1, "m/k")
	gone.sees(l, 1, "m/k")
	w.next() // that put, too

	_, err = auth.RoleRevokePermission(l.by(t, "root"), &pb.AuthRoleRevokePermissionRequest{Role: "prefix", Key: []byte("m/"), RangeEnd: []byte("m0")})
	require.NoError(t, err)
	began := time.Now()
	if harness.IsPeer() {
		w.sees(l, 1, "m/k")
		t.Log("etcd's watch goes on without the right to read")
		return
	}
	w.ended(1, 3)
	t.Logf("told after %v", time.Since(began))
	w.sees(l, 2, "n/x")
	_, err = auth.RoleGrantPermission(l.by(t, "root"), permissionOf("prefix", "m/k"))
	require.NoError(t, err)
	_, err = auth.UserRevokeRole(l.by(t, "root"), &pb.AuthUserRevokeRoleRequest{Name: "prefix", Role: "other"})
	require.NoError(t, err)
	w.ended(2)
	gone.next() // the put of n/x
	_, err = auth.UserDelete(l.by(t, "root"), &pb.AuthUserDeleteRequest{Name: "from"})
	require.NoError(t, err)
	gone.ended(1)
}

func permissionOf(role, key string) *pb.AuthRoleGrantPermissionRequest {
	request := permission(authpb.READ, key, "")
	request.Name = role
	return request
}

// Goal: from the acknowledgement of a change on, an open watch tells nothing that the change forbids, and its end is on record when the
// client hears of it, whatever the level. Method: the right goes, and at once a key is written, again and again: the watch has ended before
// it could tell, every time; the log is read each time.
func TestNothingIsToldAfterTheRightIsGone(t *testing.T) {
	if harness.IsPeer() {
		t.Skip("etcd's watches go on")
	}
	log := filepath.Join(t.TempDir(), "audit.log")
	l := lock(t, store(t, "--audit-log="+log, "--audit-level=none"))
	auth, kv := pb.NewAuthClient(l.conn), pb.NewKVClient(l.conn)
	for round := range 20 {
		w := l.watch(t, "reader", "m/k")
		_, err := auth.RoleRevokePermission(l.by(t, "root"), &pb.AuthRoleRevokePermissionRequest{Role: "reader", Key: []byte("m/"), RangeEnd: []byte("m0")})
		require.NoError(t, err)
		_, err = kv.Put(l.by(t, "root"), &pb.PutRequest{Key: []byte("m/k"), Value: []byte("secret")})
		require.NoError(t, err)
		w.ended(1)
		lines := harness.AuditLines(t, log)
		require.Len(t, lines, round+1)
		last := lines[round]
		require.Equal(t, []string{"reader", "token", "etcdserverpb.Watch/Watch", "ended", "PermissionDenied"}, []string{last.User, last.Proof, last.Method, last.Decision, last.Code})
		require.Equal(t, []string{"watch", "m/k"}, []string{last.Ranges[0].Access, last.Ranges[0].Key})
		again := permission(authpb.READ, "m/", "m0")
		again.Name = "reader"
		_, err = auth.RoleGrantPermission(l.by(t, "root"), again)
		require.NoError(t, err)
	}
}

// Goal: authentication that is enabled ends the watches of those who have no name. Method: a watch is opened before.
func TestEnableEndsWatchesOfNobody(t *testing.T) {
	if harness.IsPeer() {
		t.Skip("etcd's watches go on")
	}
	l := lock(t, store(t))
	auth := pb.NewAuthClient(l.conn)
	_, err := auth.AuthDisable(l.by(t, "root"), &pb.AuthDisableRequest{})
	require.NoError(t, err)
	stream, err := pb.NewWatchClient(l.conn).Watch(harness.Context(t))
	require.NoError(t, err)
	require.NoError(t, stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{Key: []byte("m/k")}}}))
	w := &watching{stream, t}
	require.True(t, w.next().GetCreated())
	_, err = auth.AuthEnable(harness.Context(t), &pb.AuthEnableRequest{})
	require.NoError(t, err)
	answer := w.next()
	require.True(t, answer.GetCanceled())
	require.Equal(t, rpctypes.ErrGRPCUserEmpty.Error(), answer.GetCancelReason())
}
