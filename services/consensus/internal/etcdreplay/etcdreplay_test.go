package etcdreplay

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/etcddir"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// replaying is a replay on an empty store, which counts entries.
type replaying struct {
	*Replay
	t     *testing.T
	index uint64
}

func begin(t *testing.T, members ...*consensusv1.Member) *replaying {
	t.Helper()
	store, err := mvcc.Open(mvcc.Config{Dir: "state", FS: vfs.NewMem()})
	require.NoError(t, err)
	r := New(t.Context(), store, NewMembers(members), nil)
	t.Cleanup(func() {
		require.NoError(t, r.Close())
		require.NoError(t, store.Close())
	})
	return &replaying{Replay: r, t: t}
}

// do carries out requests, each with the header that a user's has, and returns how many etcd would have refused.
func (r *replaying) do(user string, authRevision uint64, requests ...*etcdserverpb.InternalRaftRequest) (refused int64) {
	r.t.Helper()
	before := r.Refused
	for _, request := range requests {
		request.Header = &etcdserverpb.RequestHeader{Username: user, AuthRevision: authRevision}
		data, err := proto.Marshal(request)
		require.NoError(r.t, err)
		r.index++
		require.NoError(r.t, r.Apply(&raftpb.Entry{Index: new(r.index), Data: data}))
	}
	return r.Refused - before
}

func putRequest(key string, lease int64) *etcdserverpb.InternalRaftRequest {
	return &etcdserverpb.InternalRaftRequest{Put: &etcdserverpb.PutRequest{Key: []byte(key), Value: []byte("v"), Lease: lease}}
}

func grantRequest(id, ttl int64) *etcdserverpb.InternalRaftRequest {
	return &etcdserverpb.InternalRaftRequest{LeaseGrant: &etcdserverpb.LeaseGrantRequest{ID: id, TTL: ttl}}
}

func revokeRequest(id int64) *etcdserverpb.InternalRaftRequest {
	return &etcdserverpb.InternalRaftRequest{LeaseRevoke: &etcdserverpb.LeaseRevokeRequest{ID: id}}
}

func alarmRequest(action etcdserverpb.AlarmRequest_AlarmAction, kind etcdserverpb.AlarmType) *etcdserverpb.InternalRaftRequest {
	return &etcdserverpb.InternalRaftRequest{Alarm: &etcdserverpb.AlarmRequest{Action: action, MemberID: 5, Alarm: kind}}
}

// Goal: what an alarm had refused in the etcd stays refused, and nothing else. Method: requests with and without alarms.
func TestAlarmsRefuseWhatTheyDid(t *testing.T) {
	r := begin(t)
	txn := func(puts bool) *etcdserverpb.InternalRaftRequest {
		op := &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestDeleteRange{RequestDeleteRange: &etcdserverpb.DeleteRangeRequest{Key: []byte("a")}}}
		if puts {
			op = &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: putRequest("t", 0).GetPut()}}
		}
		return &etcdserverpb.InternalRaftRequest{Txn: &etcdserverpb.TxnRequest{Success: []*etcdserverpb.RequestOp{op}}}
	}
	require.Zero(t, r.do("", 0, putRequest("a", 0), grantRequest(7, 60)))
	r.do("", 0, alarmRequest(etcdserverpb.AlarmRequest_ACTIVATE, etcdserverpb.AlarmType_NOSPACE))
	require.Len(t, r.Alarms(), 1)
	require.EqualValues(t, 3, r.do("", 0, putRequest("b", 0), txn(true), grantRequest(8, 60)))
	require.Zero(t, r.do("", 0, txn(false), revokeRequest(7)))
	r.do("", 0, alarmRequest(etcdserverpb.AlarmRequest_ACTIVATE, etcdserverpb.AlarmType_CORRUPT))
	require.EqualValues(t, 2, r.do("", 0, txn(false), revokeRequest(7)))
	r.do("", 0, alarmRequest(etcdserverpb.AlarmRequest_DEACTIVATE, etcdserverpb.AlarmType_CORRUPT), alarmRequest(etcdserverpb.AlarmRequest_DEACTIVATE, etcdserverpb.AlarmType_NOSPACE))
	require.Empty(t, r.Alarms())
	require.Zero(t, r.do("", 0, putRequest("b", 0)))
	require.EqualValues(t, 3, r.do("", 0, putRequest("c", 99), grantRequest(0, 5), grantRequest(9, leaseTTLMax+1)))
	require.NoError(t, r.End())
	require.EqualValues(t, 4, r.store.Revision())
}

// Goal: who might do something in the etcd may here, and who might not may not: rights that are older than any change of users count for nothing
// there, but for a lease without keys. Method: users with requests of different ages.
func TestCallersMayWhatTheyMight(t *testing.T) {
	r := begin(t)
	role := &etcdserverpb.InternalRaftRequest{AuthRoleGrantPermission: &etcdserverpb.AuthRoleGrantPermissionRequest{}}
	require.NoError(t, proto.Unmarshal([]byte("\x0a\x01r\x12\x08\x08\x02\x12\x01a\x1a\x01b"), role.GetAuthRoleGrantPermission()))
	setUp := []*etcdserverpb.InternalRaftRequest{
		{AuthUserAdd: &etcdserverpb.AuthUserAddRequest{Name: "root", Password: "plain"}},
		{AuthRoleAdd: &etcdserverpb.AuthRoleAddRequest{Name: "root"}},
		{AuthUserGrantRole: &etcdserverpb.AuthUserGrantRoleRequest{User: "root", Role: "root"}},
		{AuthUserAdd: &etcdserverpb.AuthUserAddRequest{Name: "ann", HashedPassword: "aGFzaA=="}},
		{AuthRoleAdd: &etcdserverpb.AuthRoleAddRequest{Name: "r"}},
		role,
		{AuthUserGrantRole: &etcdserverpb.AuthUserGrantRoleRequest{User: "ann", Role: "r"}},
		{AuthEnable: &etcdserverpb.AuthEnableRequest{}},
	}
	require.Zero(t, r.do("", 0, setUp...))
	state, err := r.machine.Auth()
	require.NoError(t, err)
	require.True(t, state.Enabled())
	require.Equal(t, "hash", string(state.User("ann").GetPasswordHash()))
	require.Contains(t, string(state.User("root").GetPasswordHash()), "$2a$")
	now := state.Revision()

	require.Zero(t, r.do("ann", now, putRequest("a", 0), grantRequest(7, 60), grantRequest(8, 60), grantRequest(9, 60)))
	require.Zero(t, r.do("root", now, putRequest("z", 8)))
	require.EqualValues(t, 3, r.do("ann", now, putRequest("b", 0), revokeRequest(8), putRequest("a", 8)))
	require.EqualValues(t, 2, r.do("", 0, putRequest("a", 0), &etcdserverpb.InternalRaftRequest{AuthUserDelete: &etcdserverpb.AuthUserDeleteRequest{Name: "ann"}}))
	require.EqualValues(t, 2, r.do("ann", now-1, putRequest("a", 0), revokeRequest(8)))
	require.EqualValues(t, 1, r.do("root", now-1, putRequest("a", 0)))
	require.Zero(t, r.do("nobody", 0, revokeRequest(7)))
	r.RootToo = true // as in 3.4
	require.EqualValues(t, 1, r.do("root", now-1, revokeRequest(8)))
	r.RootToo = false
	require.Zero(t, r.do("root", now-1, revokeRequest(8)))
	require.Zero(t, r.do("root", 0, &etcdserverpb.InternalRaftRequest{AuthDisable: &etcdserverpb.AuthDisableRequest{}}, putRequest("b", 0)))
}

// Goal: members are those that the etcd had last, with what they said of themselves. Method: a change of each kind, and one that it refused.
func TestMembersFollow(t *testing.T) {
	r := begin(t, &consensusv1.Member{Id: 1, PeerUrls: []string{"http://a"}})
	change := func(kind raftpb.ConfChangeType, id uint64, context map[string]any) {
		t.Helper()
		text, err := json.Marshal(context)
		require.NoError(t, err)
		data, err := proto.Marshal(&raftpb.ConfChange{Type: &kind, NodeId: &id, Context: text})
		require.NoError(t, err)
		require.NoError(t, r.Apply(&raftpb.Entry{Type: raftpb.EntryConfChange.Enum(), Data: data}))
	}
	urls := func(url string) []string { return []string{url} }
	change(raftpb.ConfChangeAddLearnerNode, 2, map[string]any{"id": 2, "peerURLs": urls("http://b"), "isLearner": true})
	change(raftpb.ConfChangeAddNode, 3, map[string]any{"id": 3, "peerURLs": urls("http://b")})
	change(raftpb.ConfChangeAddNode, 4, map[string]any{"id": 4, "peerURLs": urls("http://d")})
	change(raftpb.ConfChangeAddNode, 2, map[string]any{"id": 2, "isPromote": true})
	change(raftpb.ConfChangeUpdateNode, 4, map[string]any{"id": 4, "peerURLs": urls("http://e")})
	change(raftpb.ConfChangeRemoveNode, 1, nil)
	require.NoError(t, r.Apply(&raftpb.Entry{Data: requestOfV2("PUT", "/0/members/2/attributes", `{"name":"m2","clientURLs":["http://c"]}`)}))
	require.Len(t, r.members.List(), 2)
	require.True(t, proto.Equal(&consensusv1.Member{Id: 2, Name: "m2", PeerUrls: urls("http://b"), ClientUrls: urls("http://c")}, r.members.List()[0]))
	require.True(t, proto.Equal(&consensusv1.Member{Id: 4, PeerUrls: urls("http://e")}, r.members.List()[1]))
}

// requestOfV2 is a request in an entry; more are further fields.
func requestOfV2(method, path, value string, more ...byte) []byte {
	b := protowire.AppendString(append([]byte{8, 1}, 18), method)
	b = protowire.AppendString(append(b, 26), path)
	return append(protowire.AppendString(append(b, 34), value), more...)
}

// Goal: the v2 store goes on from a .snap file as the etcd's own did, index by index, and what is in it comes to a store of v3, which keeps what it has.
// Method: a small store, a request of each kind, and the tree that must come of it.
func TestTreeGoesOn(t *testing.T) {
	fs := vfs.NewMem()
	later := time.Now().Add(time.Hour)
	snap := etcddir.Snap{Index: 10, V2Index: 6, Root: &etcddir.Node{Path: "/", Children: map[string]*etcddir.Node{
		"0": {Path: "/0", Children: map[string]*etcddir.Node{}},
		"1": {Path: "/1", Children: map[string]*etcddir.Node{
			"a": {Path: "/1/a", CreatedIndex: 3, ModifiedIndex: 3, Value: "old"},
			"d": {Path: "/1/d", CreatedIndex: 4, ModifiedIndex: 4, Children: map[string]*etcddir.Node{
				"f": {Path: "/1/d/f", CreatedIndex: 4, ModifiedIndex: 4, ExpireTime: later},
			}},
			"e": {Path: "/1/e", CreatedIndex: 5, ModifiedIndex: 5, Children: map[string]*etcddir.Node{}},
			"s": {Path: "/1/s", CreatedIndex: 6, ModifiedIndex: 6, ExpireTime: time.Unix(1, 0)},
		}},
	}}}
	tree, err := NewTree(t.Context(), mvcc.Config{Dir: "v2", FS: fs}, t.TempDir(), snap)
	require.NoError(t, err)
	defer func() { require.NoError(t, tree.Close()) }()
	apply := func(data []byte) { require.NoError(t, tree.Apply(&raftpb.Entry{Data: data})) }
	apply(requestOfV2("PUT", "/1/a", "new", 56, 3))                // prevIndex=3: index 7
	apply(requestOfV2("PUT", "/1/a", "never", 56, 3))              // it is 7 now
	apply(requestOfV2("PUT", "/0/version", "3.5.0"))               // 8
	apply(requestOfV2("SYNC", "", "", 120, 128, 168, 214, 185, 7)) // 2 seconds after 1970: /s ends, 9
	apply(requestOfV2("POST", "/1/q", "x"))                        // 10
	apply(requestOfV2("DELETE", "/1", "", 96, 1))                  // the root stays
	apply(requestOfV2("PUT", "/1/both", "v2"))                     // 11
	apply(requestOfV2("PUT", "/1/under/file", "v2"))               // 12
	apply(requestOfV2("PUT", "/1/d", "never"))                     // it is a directory
	require.NoError(t, tree.Apply(&raftpb.Entry{Data: []byte{}}))  // of a new leader
	require.EqualValues(t, 12+indexOffset, tree.store.Revision())

	r := begin(t)
	require.Zero(t, r.do("", 0, putRequest("/both", 0), putRequest("/under", 0)))
	require.NoError(t, r.End())
	moved, refused, err := tree.MoveTo(r.store)
	require.NoError(t, err)
	require.EqualValues(t, 4, moved)
	require.Equal(t, []Refusal{{"/both", "v3 has it too"}, {"/under/file", "v3 has a key /under, which is a directory of v2"}}, refused)
	got, _, err := r.store.Range(t.Context(), &consensusv1.RangeOp{Key: []byte{0}, RangeEnd: []byte{0}})
	require.NoError(t, err)
	var all []string
	for _, kv := range got.GetKvs() {
		all = append(all, fmt.Sprintf("%s=%s", kv.GetKey(), kv.GetValue()))
	}
	require.Equal(t, []string{"/a=new", "/both=v", "/d/f=", "/q/00000000000000000010=x", "/under=v"}, all)
	due, err := r.store.Due(later.Add(time.Hour).UnixNano(), 10)
	require.NoError(t, err)
	require.Len(t, due, 1)
}
