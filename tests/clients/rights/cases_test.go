package rights

import (
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/tests/harness"
)

// try is one thing to ask by everybody.
type try struct {
	name, method string
	request      func(who *identity) proto.Message
	least        level
	needs        []need
	// leases says that it needs leases and their keys as l.attach leaves them.
	leases bool
	// spared is not asked by root: it would work.
	spared bool
	// alone says that it is asked while nothing else is.
	alone bool
	// believed says that a token which shows nothing is refused, though no name is needed.
	believed bool
	// silent says that etcd ends the stream without a word where it refuses.
	silent bool
}

func reads(of keys) need  { return need{false, of.holds} }
func writes(of keys) need { return need{true, of.holds} }

// operation is what a transaction may hold: one operation, or one comparison.
type operation struct {
	name    string
	op      *pb.RequestOp
	compare *pb.Compare
	needs   []need
	leases  bool
}

// The leases of the matrix, and the key of each. The third one does not exist.
const (
	leaseOfM, leaseOfN, leaseOfNobody = 71, 72, 73
	keyOfM, keyOfN                    = "m/k", "n/x"
)

func leases() map[int64][]need {
	return map[int64][]need{leaseOfM: {writes(single(keyOfM))}, leaseOfN: {writes(single(keyOfN))}, leaseOfNobody: nil}
}

func operations() (all []operation) {
	add := func(name string, op *pb.RequestOp, needs ...need) {
		all = append(all, operation{name: name, op: op, needs: needs})
	}
	for _, of := range ranges() {
		key, end := []byte(of.key), []byte(of.end)
		add("range of "+of.name, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: key, RangeEnd: end}}}, reads(of))
		for _, flags := range []*pb.DeleteRangeRequest{{}, {PrevKv: true}} {
			flags.Key, flags.RangeEnd = key, end
			needs := []need{writes(of)}
			if flags.PrevKv {
				needs = append(needs, reads(of))
			}
			add(fmt.Sprintf("deletion of %s, prev_kv %v", of.name, flags.PrevKv),
				&pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: flags}}, needs...)
		}
		all = append(all, operation{
			name: "comparison of " + of.name, needs: []need{reads(of)},
			compare: &pb.Compare{Key: key, RangeEnd: end, Target: pb.Compare_VERSION, TargetUnion: &pb.Compare_Version{Version: 1}},
		})
	}
	for _, key := range []string{keyOfM, "m/a", keyOfN} {
		for name, flags := range map[string]*pb.PutRequest{
			"plain": {}, "prev_kv": {PrevKv: true}, "ignore_value": {IgnoreValue: true}, "ignore_lease": {IgnoreLease: true, Value: []byte("v")},
		} {
			flags.Key = []byte(key)
			needs := []need{writes(single(key))}
			if flags.PrevKv {
				needs = append(needs, reads(single(key)))
			}
			add(fmt.Sprintf("put of %s, %s", key, name), &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: flags}}, needs...)
		}
		for id, needs := range leases() {
			put := &pb.PutRequest{Key: []byte(key), Lease: id}
			all = append(all, operation{
				name: fmt.Sprintf("put of %s with the lease %d", key, id), leases: true,
				op:    &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: put}},
				needs: append([]need{writes(single(key))}, needs...),
			})
		}
	}
	return all
}

// nested returns the operation as a request of its own and in transactions: on the branch that is taken, on the other one, and in one
// that lies in one that lies in one.
func (o operation) nested() (all []try) {
	add := func(where, method string, request proto.Message) {
		all = append(all, try{
			name: o.name + where, method: method, request: always(request), least: name, needs: o.needs, leases: o.leases,
		})
	}
	inner := &pb.TxnRequest{Success: []*pb.RequestOp{o.op}}
	if o.compare != nil {
		inner = &pb.TxnRequest{Compare: []*pb.Compare{o.compare}}
	} else {
		switch op := o.op.GetRequest().(type) {
		case *pb.RequestOp_RequestRange:
			add("", "KV.Range", op.RequestRange)
			add(" as a stream", "KV.RangeStream", op.RequestRange)
		case *pb.RequestOp_RequestPut:
			add("", "KV.Put", op.RequestPut)
		case *pb.RequestOp_RequestDeleteRange:
			add("", "KV.DeleteRange", op.RequestDeleteRange)
		}
		add(" on the other branch", "KV.Txn", &pb.TxnRequest{Failure: []*pb.RequestOp{o.op}})
		add(" on the other branch of one inside", "KV.Txn", &pb.TxnRequest{Success: []*pb.RequestOp{within(&pb.TxnRequest{Failure: []*pb.RequestOp{o.op}})}})
	}
	add(" in a transaction", "KV.Txn", inner)
	add(" two deep", "KV.Txn", &pb.TxnRequest{Success: []*pb.RequestOp{within(inner)}})
	add(" three deep on a branch that is not taken", "KV.Txn", &pb.TxnRequest{Failure: []*pb.RequestOp{within(&pb.TxnRequest{Success: []*pb.RequestOp{within(inner)}})}})
	return all
}

func within(txn *pb.TxnRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: txn}}
}

func always(request proto.Message) func(*identity) proto.Message {
	return func(*identity) proto.Message { return request }
}

func watches() (all []try) {
	everything := keys{"everything, from the empty key", "", "\x00", func(string) bool { return true }}
	for _, of := range append(ranges(), everything) {
		for _, before := range []bool{false, true} {
			create := &pb.WatchCreateRequest{Key: []byte(of.key), RangeEnd: []byte(of.end), PrevKv: before}
			all = append(all, try{
				name: fmt.Sprintf("watch of %s, prev_kv %v", of.name, before), method: "Watch.Watch", least: name, needs: []need{reads(of)},
				request: always(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}),
			})
		}
	}
	return all
}

func ofLeases() (all []try) {
	for id, needs := range leases() {
		var read []need
		for _, n := range needs {
			read = append(read, need{false, n.holds})
		}
		add := func(what, method string, needs []need, request proto.Message) {
			all = append(all, try{
				name: fmt.Sprintf("%s of the lease %d", what, id), method: method, request: always(request), least: name, needs: needs, leases: true,
			})
		}
		add("revocation", "Lease.LeaseRevoke", needs, &pb.LeaseRevokeRequest{ID: id})
		add("keep-alive", "Lease.LeaseKeepAlive", needs, &pb.LeaseKeepAliveRequest{ID: id})
		add("time", "Lease.LeaseTimeToLive", nil, &pb.LeaseTimeToLiveRequest{ID: id})
		add("keys", "Lease.LeaseTimeToLive", read, &pb.LeaseTimeToLiveRequest{ID: id, Keys: true})
	}
	list := try{name: "list of leases", method: "Lease.LeaseLeases", request: always(&pb.LeaseLeasesRequest{}), least: name, leases: true}
	list.needs = []need{reads(single(keyOfM)), reads(single(keyOfN))}
	grant := try{name: "a new lease", method: "Lease.LeaseGrant", request: always(&pb.LeaseGrantRequest{TTL: 600}), least: name}
	return append(all, list, grant)
}

// administration are the methods that need no key.
func administration() []try {
	of := func(method string, least level, request proto.Message) try {
		return try{name: method, method: method, request: always(request), least: least}
	}
	spared := func(method string, request proto.Message) try {
		t := of(method, root, request)
		t.spared = true
		return t
	}
	// Of two changes of members that are proposed at once, etcd's raft drops one, and who proposed it waits for ever.
	remove := of("Cluster.MemberRemove", root, &pb.MemberRemoveRequest{ID: 1})
	remove.alone = true
	alarm := of("Maintenance.Alarm", root, &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, Alarm: pb.AlarmType_NOSPACE})
	alarm.name = "lowering an alarm"
	status := of("Auth.AuthStatus", nothing, &pb.AuthStatusRequest{})
	status.believed = true
	ownUser := try{name: "one's own user", method: "Auth.UserGet", least: name}
	ownUser.request = func(who *identity) proto.Message { return &pb.AuthUserGetRequest{Name: who.name} }
	ownRole := try{name: "one's own role", method: "Auth.RoleGet", least: name}
	ownRole.request = func(who *identity) proto.Message { return &pb.AuthRoleGetRequest{Role: who.name} }
	return []try{
		of("KV.Compact", root, &pb.CompactionRequest{Revision: 1}),
		of("Cluster.MemberList", name, &pb.MemberListRequest{}),
		spared("Cluster.MemberAdd", &pb.MemberAddRequest{PeerURLs: []string{"http://127.0.0.1:1"}}),
		remove,
		spared("Cluster.MemberUpdate", &pb.MemberUpdateRequest{ID: 1, PeerURLs: []string{"http://127.0.0.1:1"}}),
		of("Cluster.MemberPromote", root, &pb.MemberPromoteRequest{ID: 1}),
		of("Maintenance.Alarm", name, &pb.AlarmRequest{Action: pb.AlarmRequest_GET}),
		alarm,
		of("Maintenance.Status", name, &pb.StatusRequest{}),
		of("Maintenance.Defragment", root, &pb.DefragmentRequest{}),
		of("Maintenance.Hash", root, &pb.HashRequest{}),
		of("Maintenance.HashKV", root, &pb.HashKVRequest{}),
		of("Maintenance.Snapshot", root, &pb.SnapshotRequest{}),
		of("Maintenance.MoveLeader", root, &pb.MoveLeaderRequest{TargetID: 1}),
		of("Maintenance.Downgrade", root, &pb.DowngradeRequest{Action: pb.DowngradeRequest_VALIDATE, Version: "3.6.0"}),
		of("Auth.AuthEnable", root, &pb.AuthEnableRequest{}),
		spared("Auth.AuthDisable", &pb.AuthDisableRequest{}),
		status,
		of("Auth.Authenticate", nothing, &pb.AuthenticateRequest{Name: "one", Password: password("one")}),
		of("Auth.UserAdd", root, &pb.AuthUserAddRequest{Name: "one", Password: "x"}),
		of("Auth.UserGet", root, &pb.AuthUserGetRequest{Name: "root"}),
		ownUser,
		of("Auth.UserList", root, &pb.AuthUserListRequest{}),
		of("Auth.UserDelete", root, &pb.AuthUserDeleteRequest{Name: "stranger"}),
		of("Auth.UserChangePassword", root, &pb.AuthUserChangePasswordRequest{Name: "stranger", Password: "x"}),
		of("Auth.UserGrantRole", root, &pb.AuthUserGrantRoleRequest{User: "stranger", Role: "one"}),
		of("Auth.UserRevokeRole", root, &pb.AuthUserRevokeRoleRequest{Name: "stranger", Role: "one"}),
		of("Auth.RoleAdd", root, &pb.AuthRoleAddRequest{Name: "one"}),
		of("Auth.RoleGet", root, &pb.AuthRoleGetRequest{Role: "root"}),
		ownRole,
		of("Auth.RoleList", root, &pb.AuthRoleListRequest{}),
		of("Auth.RoleDelete", root, &pb.AuthRoleDeleteRequest{Role: "stranger"}),
		of("Auth.RoleGrantPermission", root, &pb.AuthRoleGrantPermissionRequest{Name: "stranger", Perm: &authpb.Permission{Key: []byte("k")}}),
		of("Auth.RoleRevokePermission", root, &pb.AuthRoleRevokePermissionRequest{Role: "stranger", Key: []byte("k")}),
	}
}

// ownServices are the methods of services that etcd has not.
func ownServices() (all []try) {
	if harness.IsPeer() {
		return nil
	}
	of := func(what, method string, least level, request proto.Message, needs ...need) {
		all = append(all, try{name: method + " " + what, method: method, request: always(request), least: least, needs: needs})
	}
	for _, prefix := range []string{"", "m/", "n/", "\xff"} {
		below := reads(beginWith(prefix))
		of("below "+prefix, "InspectService.Children", name, &quoratev1.ChildrenRequest{Prefix: []byte(prefix), Delimiter: []byte("/"), Count: true, Size: true}, below)
		of("below "+prefix, "InspectService.Deleted", name, &quoratev1.DeletedRequest{Prefix: []byte(prefix)}, below)
		of("below "+prefix, "InspectService.Changes", name, &quoratev1.ChangesRequest{Prefix: []byte(prefix)}, below)
	}
	for _, key := range []string{keyOfM, keyOfN} {
		of("of "+key, "InspectService.History", name, &quoratev1.HistoryRequest{Key: []byte(key), WithValues: true}, reads(single(key)))
	}
	of("of all", "QuotaService.QuotaList", root, &quoratev1.QuotaListRequest{})
	of("of none", "QuotaService.QuotaDelete", root, &quoratev1.QuotaDeleteRequest{Prefix: []byte("none")})
	of("of z/", "QuotaService.QuotaSet", root, &quoratev1.QuotaSetRequest{Prefix: []byte("z/"), Limits: &quoratev1.QuotaLimits{HardKeys: 1000}})
	return append(all, ofConsole()...)
}

func tries() (all []try) {
	for _, operation := range operations() {
		all = append(all, operation.nested()...)
	}
	return slices.Concat(all, watches(), ofLeases(), ofTurns(), administration(), ownServices())
}
