package output

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/etcdctl/v3/ctlv3/command"
)

// answers are answers of every kind, with the method of etcdctl's printers that prints each and its arguments.
type sample struct {
	answer Answer
	method string
	args   []any
}

var header = &etcdserverpb.ResponseHeader{ClusterId: 0xabc0123456789def, MemberId: 0xfedcba, Revision: 17, RaftTerm: 3}

func keyValues(n int) (kvs []*mvccpb.KeyValue) {
	for i := range n {
		kvs = append(kvs, &mvccpb.KeyValue{
			Key: fmt.Appendf(nil, "key \"%d\"\x00", i), Value: []byte("größe\n\xff"), CreateRevision: 5, ModRevision: 6, Version: 2, Lease: int64(i) << 40,
		})
	}
	return kvs
}

func keySamples() []sample {
	get := &clientv3.GetResponse{Header: header, Kvs: keyValues(3), More: true, Count: 9}
	put := &clientv3.PutResponse{Header: header, PrevKv: keyValues(1)[0]}
	del := &clientv3.DeleteResponse{Header: header, Deleted: 2, PrevKvs: keyValues(2)}
	txn := &clientv3.TxnResponse{Header: header, Succeeded: true, Responses: []*etcdserverpb.ResponseOp{
		{Response: &etcdserverpb.ResponseOp_ResponseRange{ResponseRange: (*etcdserverpb.RangeResponse)(get)}},
		{Response: &etcdserverpb.ResponseOp_ResponsePut{ResponsePut: (*etcdserverpb.PutResponse)(put)}},
		{Response: &etcdserverpb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: (*etcdserverpb.DeleteRangeResponse)(del)}},
	}}
	watch := &clientv3.WatchResponse{Header: header, Events: []*clientv3.Event{
		{Type: mvccpb.Event_PUT, Kv: keyValues(1)[0], PrevKv: keyValues(1)[0]}, {Type: mvccpb.Event_DELETE, Kv: keyValues(1)[0]},
	}}
	return []sample{
		{Get(get, false), "Get", []any{get}},
		{Get(&clientv3.GetResponse{}, false), "Get", []any{&clientv3.GetResponse{}}},
		{Put(put), "Put", []any{put}},
		{Put(&clientv3.PutResponse{Header: header}), "Put", []any{&clientv3.PutResponse{Header: header}}},
		{Delete(del), "Del", []any{del}},
		{Txn(txn), "Txn", []any{txn}},
		{Txn(&clientv3.TxnResponse{Header: header}), "Txn", []any{&clientv3.TxnResponse{Header: header}}},
		{Watch(watch), "Watch", []any{watch}},
		{Watch(&clientv3.WatchResponse{Header: header, Canceled: true, CompactRevision: 4}), "Watch", []any{&clientv3.WatchResponse{Header: header, Canceled: true, CompactRevision: 4}}},
	}
}

func leaseSamples() []sample {
	const id = clientv3.LeaseID(0x70c8ae1ff61fbea1)
	grant := &clientv3.LeaseGrantResponse{ResponseHeader: header, ID: id, TTL: 60}
	revoke := &clientv3.LeaseRevokeResponse{Header: header}
	renewed := &clientv3.LeaseKeepAliveResponse{ResponseHeader: header, ID: id, TTL: 60}
	ttl := &clientv3.LeaseTimeToLiveResponse{ResponseHeader: header, ID: id, TTL: 59, GrantedTTL: 60, Keys: [][]byte{[]byte("a b"), []byte("c")}}
	gone := &clientv3.LeaseTimeToLiveResponse{ResponseHeader: header, ID: id, TTL: -1}
	list := &clientv3.LeaseLeasesResponse{ResponseHeader: header, Leases: []clientv3.LeaseStatus{{ID: id}, {ID: 2}}}
	return []sample{
		{Granted(grant), "Grant", []any{grant}},
		{Revoked(id, revoke), "Revoke", []any{id, revoke}},
		{KeptAlive(renewed), "KeepAlive", []any{renewed}},
		{TimeToLive(ttl, true), "TimeToLive", []any{ttl, true}},
		{TimeToLive(ttl, false), "TimeToLive", []any{ttl, false}},
		{TimeToLive(gone, true), "TimeToLive", []any{gone, true}},
		{Leases(list), "Leases", []any{list}},
	}
}

func clusterSamples() []sample {
	members := []*etcdserverpb.Member{
		{ID: 0xfedcba, Name: "one", PeerURLs: []string{"http://a:1", "http://b:1"}, ClientURLs: []string{"http://a:2"}},
		{ID: 7, PeerURLs: []string{"http://c:1"}, IsLearner: true},
	}
	list := &clientv3.MemberListResponse{Header: header, Members: members}
	removed := &clientv3.MemberRemoveResponse{Header: header, Members: members}
	updated := &clientv3.MemberUpdateResponse{Header: header, Members: members}
	promoted := &clientv3.MemberPromoteResponse{Header: header, Members: members}
	moved := &clientv3.MoveLeaderResponse{Header: header}
	down := &clientv3.DowngradeResponse{Header: header, Version: "3.7.0"}
	alarms := &clientv3.AlarmResponse{Header: header, Alarms: []*etcdserverpb.AlarmMember{{MemberID: 7, Alarm: etcdserverpb.AlarmType_CORRUPT}}}
	status := &clientv3.StatusResponse{
		Header: header, Version: "3.7.1", StorageVersion: "3.7.0", DbSize: 5 << 20, DbSizeInUse: 3 << 20, DbSizeQuota: 2 << 30, Leader: 0xfedcba, RaftIndex: 100,
		RaftAppliedIndex: 99, RaftTerm: 3, Errors: []string{"memberID:7 alarm:NOSPACE", "b"}, DowngradeInfo: &etcdserverpb.DowngradeInfo{Enabled: true, TargetVersion: "3.6.0"},
	}
	hash := &clientv3.HashKVResponse{Header: header, Hash: 12345, HashRevision: 17}
	healths := []Health{{Endpoint: "a:1", Healthy: true, Took: "1.5ms"}, {Endpoint: "b:1", Took: "2s", Error: "context deadline exceeded"}}
	return []sample{
		{Members(list), "MemberList", []any{list}},
		{MemberRemoved(7, removed), "MemberRemove", []any{uint64(7), removed}},
		{MemberUpdated(7, updated), "MemberUpdate", []any{uint64(7), updated}},
		{MemberPromoted(7, promoted), "MemberPromote", []any{uint64(7), promoted}},
		{LeaderMoved(7, 0xfedcba, moved), "MoveLeader", []any{uint64(7), uint64(0xfedcba), moved}},
		{Downgrade("validate", down), "DowngradeValidate", []any{down}},
		{Downgrade("enable", down), "DowngradeEnable", []any{down}},
		{Downgrade("cancel", down), "DowngradeCancel", []any{down}},
		{Alarms(alarms), "Alarm", []any{alarms}},
		{Healths(healths), "EndpointHealth", []any{healths}},
		{Healths(nil), "EndpointHealth", []any{[]Health(nil)}},
		{Statuses([]Status{{"a:1", status}}), "EndpointStatus", []any{[]Status{{"a:1", status}}}},
		{Hashes([]Hash{{"a:1", hash}}), "EndpointHashKV", []any{[]Hash{{"a:1", hash}}}},
	}
}

func accessSamples() []sample {
	permissions := []*authpb.Permission{
		{PermType: authpb.READ, Key: []byte("k")},
		{PermType: authpb.WRITE, Key: []byte("a"), RangeEnd: []byte("b")},
		{PermType: authpb.READWRITE, Key: []byte("z"), RangeEnd: []byte{0}},
		{PermType: authpb.READWRITE, Key: []byte("a"), RangeEnd: []byte("c")},
		{PermType: authpb.READ, Key: []byte{0}, RangeEnd: []byte{0}},
	}
	role := &clientv3.AuthRoleGetResponse{Header: header, Perm: permissions}
	root := &clientv3.AuthRoleGetResponse{Header: header}
	roles := &clientv3.AuthRoleListResponse{Header: header, Roles: []string{"a", "b c"}}
	user := &clientv3.AuthUserGetResponse{Header: header, Roles: []string{"a", "b c"}}
	users := &clientv3.AuthUserListResponse{Header: header, Users: []string{"a", "b c"}}
	status := &clientv3.AuthStatusResponse{Header: header, Enabled: true, AuthRevision: 5}
	roleAdd, roleDelete := &clientv3.AuthRoleAddResponse{Header: header}, &clientv3.AuthRoleDeleteResponse{Header: header}
	grant, revoke := &clientv3.AuthRoleGrantPermissionResponse{Header: header}, &clientv3.AuthRoleRevokePermissionResponse{Header: header}
	userAdd, userDelete := &clientv3.AuthUserAddResponse{Header: header}, &clientv3.AuthUserDeleteResponse{Header: header}
	granted, revoked := &clientv3.AuthUserGrantRoleResponse{Header: header}, &clientv3.AuthUserRevokeRoleResponse{Header: header}
	password := &clientv3.AuthUserChangePasswordResponse{Header: header}
	return []sample{
		{Role("r", role), "RoleGet", []any{"r", role}},
		{Role("root", root), "RoleGet", []any{"root", root}},
		{Role("r", root), "RoleGet", []any{"r", root}},
		{Roles(roles), "RoleList", []any{roles}},
		{RoleAdded("r", roleAdd), "RoleAdd", []any{"r", roleAdd}},
		{RoleDeleted("r", roleDelete), "RoleDelete", []any{"r", roleDelete}},
		{PermissionGranted("r", grant), "RoleGrantPermission", []any{"r", grant}},
		{PermissionRevoked("r", "k", "", revoke), "RoleRevokePermission", []any{"r", "k", "", revoke}},
		{PermissionRevoked("r", "k", "\x00", revoke), "RoleRevokePermission", []any{"r", "k", "\x00", revoke}},
		{PermissionRevoked("r", "k", "l", revoke), "RoleRevokePermission", []any{"r", "k", "l", revoke}},
		{User("u", user), "UserGet", []any{"u", user}},
		{Users(users), "UserList", []any{users}},
		{UserAdded("u", userAdd), "UserAdd", []any{"u", userAdd}},
		{UserDeleted("u", userDelete), "UserDelete", []any{"u", userDelete}},
		{RoleGranted("u", "r", granted), "UserGrantRole", []any{"u", "r", granted}},
		{RoleRevoked("u", "r", revoked), "UserRevokeRole", []any{"u", "r", revoked}},
		{PasswordChanged(password), "UserChangePassword", []any{password}},
		{AuthStatus(status), "AuthStatus", []any{status}},
	}
}

// Goal: every answer looks in every format as etcdctl prints it, to the byte. Method: etcdctl's printers print the same answers, by reflection, because
// their types are not exported. Where we have no format for an answer, etcdctl would end the process: tests/clients/ctl compares that.
func TestAnswersLookLikeEtcdctls(t *testing.T) {
	samples := append(append(append(keySamples(), leaseSamples()...), clusterSamples()...), accessSamples()...)
	for _, s := range samples {
		for _, format := range Formats() {
			for _, hex := range []bool{false, true} {
				ours, err := printed(format, hex, s.answer)
				if errors.Is(err, ErrFormat) {
					continue
				}
				require.NoError(t, err)
				want := theirs(t, format, hex, s.method, s.args)
				if s.method == "Alarm" && format == Simple {
					// It is protobuf's text, between whose fields some binaries have two spaces: nobody is to rely on one.
					want = strings.ReplaceAll(want, "  ", " ")
				}
				assert.Equal(t, want, ours, "%s %s hex=%v", s.method, format, hex)
			}
		}
	}
}

func printed(format string, hex bool, answer Answer) (string, error) {
	var out bytes.Buffer
	p, err := NewPrinter(format, hex, &out)
	if err != nil {
		return "", err
	}
	err = p.Print(answer)
	return out.String(), err
}

// theirs is what etcdctl's printer writes, which is to the process's own standard output.
func theirs(t *testing.T, format string, hex bool, method string, args []any) string {
	t.Helper()
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer reader.Close()
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout = writer
	os.Stderr, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	call := reflect.ValueOf(command.NewPrinter(format, hex)).MethodByName(method)
	values := make([]reflect.Value, len(args))
	for i, arg := range args {
		values[i] = as(reflect.ValueOf(arg), call.Type().In(i))
	}
	call.Call(values)
	os.Stderr.Close()
	os.Stdout, os.Stderr = stdout, stderr
	require.NoError(t, writer.Close())
	text, err := io.ReadAll(reader)
	require.NoError(t, err)
	return string(text)
}

// as makes a value of etcdctl's own types, which are slices of structs with the fields of ours.
func as(value reflect.Value, wanted reflect.Type) reflect.Value {
	if value.Type().AssignableTo(wanted) {
		return value
	}
	if value.IsNil() {
		return reflect.Zero(wanted)
	}
	made := reflect.MakeSlice(wanted, value.Len(), value.Len())
	for i := range value.Len() {
		for field := range value.Index(i).NumField() {
			made.Index(i).Field(field).Set(value.Index(i).Field(field))
		}
	}
	return made
}

// Goal: keys and values alone, as scripts take them. Method: the format simple without keys, and in hexadecimal.
func TestValuesOnly(t *testing.T) {
	answer := Get(&clientv3.GetResponse{Kvs: []*mvccpb.KeyValue{{Key: []byte("k"), Value: []byte("v")}, {Key: []byte("l"), Value: []byte("w\n")}}}, true)
	text, err := printed(Simple, false, answer)
	require.NoError(t, err)
	require.Equal(t, "v\nw\n\n", text)
	text, err = printed(Simple, true, answer)
	require.NoError(t, err)
	require.Equal(t, "\\x76\n\\x77\\x0a\n", text)
}

// Goal: a member that was added is shown with what to start it with. Method: the format simple, of a cluster with two URLs a member.
func TestMemberAdded(t *testing.T) {
	added := &etcdserverpb.Member{ID: 7, PeerURLs: []string{"http://c:1"}, IsLearner: true}
	text, err := printed(Simple, false, MemberAdded(&clientv3.MemberAddResponse{
		Header: header, Member: added, Members: []*etcdserverpb.Member{{ID: 1, Name: "one", PeerURLs: []string{"http://a:1", "http://b:1"}}, added},
	}, "two", "http://c:1"))
	require.NoError(t, err)
	require.Equal(t, `Member                7 added as learner to cluster abc0123456789def

ETCD_NAME="two"
ETCD_INITIAL_CLUSTER="one=http://a:1,one=http://b:1,two=http://c:1"
ETCD_INITIAL_ADVERTISE_PEER_URLS="http://c:1"
ETCD_INITIAL_CLUSTER_STATE="existing"
`, text)
}

// Goal: a format that there is none of, or that an answer does not come in, is refused. Method: both.
func TestFormatsThatThereAreNot(t *testing.T) {
	_, err := NewPrinter("xml", false, io.Discard)
	require.ErrorIs(t, err, ErrFormat)
	_, err = printed(Table, false, Put(&clientv3.PutResponse{}))
	require.EqualError(t, err, "table not supported as output format")
}
