package auth

import (
	"maps"
	"slices"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Need is what a method wants of its caller before it is carried out. The zero value lets nobody call it.
type Need struct {
	// authorize turns a request into what its caller must be allowed to, without the caller; nil where that needs no question.
	authorize func(request any) *consensusv1.AuthorizeRequest
	// open says that the method needs nothing, or is checked where its data is.
	open bool
}

var (
	// nothing is for what anybody may ask, also while authentication is enabled.
	nothing = Need{open: true}
	// data is for what the store checks where it writes, or reads, what the request names: the caller goes along.
	data = Need{open: true}
	// handler is for streams whose messages their handlers have checked one by one.
	handler = Need{open: true}
	// name wants to know who asks.
	name = Need{authorize: func(any) *consensusv1.AuthorizeRequest { return &consensusv1.AuthorizeRequest{} }}
	// root wants the role of that name.
	root = Need{authorize: func(any) *consensusv1.AuthorizeRequest { return &consensusv1.AuthorizeRequest{Root: true} }}
	// alarm wants root of who changes alarms, and a name of who reads them.
	alarm = Need{authorize: func(request any) *consensusv1.AuthorizeRequest {
		r, ok := request.(*etcdserverpb.AlarmRequest)
		return &consensusv1.AuthorizeRequest{Root: !ok || r.GetAction() != etcdserverpb.AlarmRequest_GET}
	}}
	// leaseKeys wants that who asks for the keys of a lease may read them. Without keys a name will do.
	leaseKeys = Need{authorize: func(request any) *consensusv1.AuthorizeRequest {
		r, ok := request.(*etcdserverpb.LeaseTimeToLiveRequest)
		switch {
		case !ok:
			return &consensusv1.AuthorizeRequest{Root: true}
		case r.GetKeys():
			return &consensusv1.AuthorizeRequest{Lease: r.GetID(), LeaseAccess: consensusv1.Permission_TYPE_READ}
		}
		return &consensusv1.AuthorizeRequest{}
	}}
	// allLeases wants that every key of every lease may be read.
	allLeases = Need{authorize: func(any) *consensusv1.AuthorizeRequest { return &consensusv1.AuthorizeRequest{AllLeases: true} }}
)

// methods has every method that is served, on any wire. One that is missing is refused to everybody.
var methods = map[string]Need{
	"/etcdserverpb.KV/Range":       data,
	"/etcdserverpb.KV/RangeStream": data,
	"/etcdserverpb.KV/Put":         data,
	"/etcdserverpb.KV/DeleteRange": data,
	"/etcdserverpb.KV/Txn":         data,
	"/etcdserverpb.KV/Compact":     data,

	"/etcdserverpb.Watch/Watch": handler,

	"/etcdserverpb.Lease/LeaseGrant":      data,
	"/etcdserverpb.Lease/LeaseRevoke":     name, // its keys are the store's to check; that there is no such lease is not everybody's to know
	"/etcdserverpb.Lease/LeaseKeepAlive":  handler,
	"/etcdserverpb.Lease/LeaseTimeToLive": leaseKeys,
	"/etcdserverpb.Lease/LeaseLeases":     allLeases,

	"/etcdserverpb.Cluster/MemberList":    name,
	"/etcdserverpb.Cluster/MemberAdd":     root,
	"/etcdserverpb.Cluster/MemberRemove":  root,
	"/etcdserverpb.Cluster/MemberUpdate":  root,
	"/etcdserverpb.Cluster/MemberPromote": root,

	"/etcdserverpb.Maintenance/Alarm":      alarm,
	"/etcdserverpb.Maintenance/Status":     name,
	"/etcdserverpb.Maintenance/Defragment": root,
	"/etcdserverpb.Maintenance/Hash":       root,
	"/etcdserverpb.Maintenance/HashKV":     root,
	"/etcdserverpb.Maintenance/Snapshot":   root,
	"/etcdserverpb.Maintenance/MoveLeader": root,
	"/etcdserverpb.Maintenance/Downgrade":  root,

	"/etcdserverpb.Auth/Authenticate":         nothing,
	"/etcdserverpb.Auth/AuthStatus":           data,
	"/etcdserverpb.Auth/AuthEnable":           data,
	"/etcdserverpb.Auth/AuthDisable":          data,
	"/etcdserverpb.Auth/UserAdd":              data,
	"/etcdserverpb.Auth/UserGet":              data,
	"/etcdserverpb.Auth/UserList":             data,
	"/etcdserverpb.Auth/UserDelete":           data,
	"/etcdserverpb.Auth/UserChangePassword":   data,
	"/etcdserverpb.Auth/UserGrantRole":        data,
	"/etcdserverpb.Auth/UserRevokeRole":       data,
	"/etcdserverpb.Auth/RoleAdd":              data,
	"/etcdserverpb.Auth/RoleGet":              data,
	"/etcdserverpb.Auth/RoleList":             data,
	"/etcdserverpb.Auth/RoleDelete":           data,
	"/etcdserverpb.Auth/RoleGrantPermission":  data,
	"/etcdserverpb.Auth/RoleRevokePermission": data,

	"/v3lockpb.Lock/Lock":             data,
	"/v3lockpb.Lock/Unlock":           data,
	"/v3electionpb.Election/Campaign": data,
	"/v3electionpb.Election/Proclaim": data,
	"/v3electionpb.Election/Leader":   data,
	"/v3electionpb.Election/Observe":  data,
	"/v3electionpb.Election/Resign":   data,

	"/quorate.v1.QuotaService/QuotaSet":    root,
	"/quorate.v1.QuotaService/QuotaDelete": root,
	"/quorate.v1.QuotaService/QuotaList":   root,

	"/quorate.v1.InspectService/Children": data,
	"/quorate.v1.InspectService/History":  data,
	"/quorate.v1.InspectService/Deleted":  data,
	"/quorate.v1.InspectService/Changes":  data,

	// What the console reads and writes it asks of the methods above, for its caller, who must be somebody. The rest is told of the process.
	"/quorate.console.v1.ConsoleService/About":        nothing,
	"/quorate.console.v1.ConsoleService/Search":       name,
	"/quorate.console.v1.ConsoleService/Preview":      name,
	"/quorate.console.v1.ConsoleService/Apply":        name,
	"/quorate.console.v1.ConsoleService/Leases":       name,
	"/quorate.console.v1.ConsoleService/Locks":        name,
	"/quorate.console.v1.ConsoleService/Cluster":      name,
	"/quorate.console.v1.ConsoleService/MoveLeader":   root,
	"/quorate.console.v1.ConsoleService/Series":       name,
	"/quorate.console.v1.ConsoleService/SlowRequests": root,
	"/quorate.console.v1.ConsoleService/AuditTrail":   root,
	"/quorate.console.v1.ConsoleService/Rights":       name,
	"/quorate.console.v1.ConsoleService/Live":         name,

	// Whether a server serves, and which methods there are, is nobody's secret.
	"/grpc.health.v1.Health/Check":                                   nothing,
	"/grpc.health.v1.Health/List":                                    nothing,
	"/grpc.health.v1.Health/Watch":                                   nothing,
	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      nothing,
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": nothing,
}

// NeedOf returns what a method needs, by its full name, "/package.Service/Method".
func NeedOf(method string) Need { return methods[method] }

// Methods returns the full names of all methods that have an entry, in no order.
func Methods() []string { return slices.Collect(maps.Keys(methods)) }
