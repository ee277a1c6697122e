package ratelimit

import (
	"iter"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
)

// Classes are those of one request. Most have one; a transaction has those of all that is in it.
type Classes uint8

// What may be limited.
const (
	Reads   Classes = 1 << iota // of one key, or of one thing
	Writes                      // of whatever there is
	Watches                     // that are created
	Lists                       // of more than one key
)

// None is of requests that are never limited.
const None Classes = 0

// classNames are in the order of their bits.
var classNames = [...]string{"reads", "writes", "watches", "lists"}

// each are the places in classNames of the classes.
func (c Classes) each() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range classNames {
			if c&(1<<i) != 0 && !yield(i) {
				return
			}
		}
	}
}

// classNamed returns the place of a class, and whether there is one of that name.
func classNamed(name string) (int, bool) {
	for i, known := range classNames {
		if known == name {
			return i, true
		}
	}
	return 0, false
}

func knownClasses() string { return strings.Join(classNames[:], ", ") }

// Kind tells the classes of the requests of one method. nil is of a method whose requests have none.
type Kind func(request any) Classes

func always(classes Classes) Kind { return func(any) Classes { return classes } }

var (
	// never is for what must get through whatever else is asked for: what keeps leases alive, what makes room, what people repair a store
	// with, and what tells who somebody is or how the store is.
	never Kind
	// byMessage is for streams whose messages are looked at one by one, by whoever handles them.
	byMessage Kind

	read  = always(Reads)
	watch = always(Watches)
	write = always(Writes)
	list  = always(Lists)
)

// kinds has every method that is served, on any wire.
var kinds = map[string]Kind{
	"/etcdserverpb.KV/Range":       ofRange,
	"/etcdserverpb.KV/RangeStream": ofRange,
	"/etcdserverpb.KV/Put":         write,
	"/etcdserverpb.KV/DeleteRange": write,
	"/etcdserverpb.KV/Txn":         ofTxn,
	"/etcdserverpb.KV/Compact":     never,

	"/etcdserverpb.Watch/Watch": byMessage, // Watches for each that is created

	"/etcdserverpb.Lease/LeaseGrant":      write,
	"/etcdserverpb.Lease/LeaseRevoke":     never,
	"/etcdserverpb.Lease/LeaseKeepAlive":  never,
	"/etcdserverpb.Lease/LeaseTimeToLive": read,
	"/etcdserverpb.Lease/LeaseLeases":     list,

	"/etcdserverpb.Cluster/MemberList":    read,
	"/etcdserverpb.Cluster/MemberAdd":     never,
	"/etcdserverpb.Cluster/MemberRemove":  never,
	"/etcdserverpb.Cluster/MemberUpdate":  never,
	"/etcdserverpb.Cluster/MemberPromote": never,

	"/etcdserverpb.Maintenance/Alarm":      never,
	"/etcdserverpb.Maintenance/Status":     never,
	"/etcdserverpb.Maintenance/Defragment": never,
	"/etcdserverpb.Maintenance/Hash":       never,
	"/etcdserverpb.Maintenance/HashKV":     never,
	"/etcdserverpb.Maintenance/Snapshot":   never,
	"/etcdserverpb.Maintenance/MoveLeader": never,
	"/etcdserverpb.Maintenance/Downgrade":  never,

	"/etcdserverpb.Auth/Authenticate":         never,
	"/etcdserverpb.Auth/AuthStatus":           never,
	"/etcdserverpb.Auth/AuthEnable":           never,
	"/etcdserverpb.Auth/AuthDisable":          never,
	"/etcdserverpb.Auth/UserAdd":              write,
	"/etcdserverpb.Auth/UserGet":              read,
	"/etcdserverpb.Auth/UserList":             list,
	"/etcdserverpb.Auth/UserDelete":           write,
	"/etcdserverpb.Auth/UserChangePassword":   write,
	"/etcdserverpb.Auth/UserGrantRole":        write,
	"/etcdserverpb.Auth/UserRevokeRole":       write,
	"/etcdserverpb.Auth/RoleAdd":              write,
	"/etcdserverpb.Auth/RoleGet":              read,
	"/etcdserverpb.Auth/RoleList":             list,
	"/etcdserverpb.Auth/RoleDelete":           write,
	"/etcdserverpb.Auth/RoleGrantPermission":  write,
	"/etcdserverpb.Auth/RoleRevokePermission": write,

	"/v3lockpb.Lock/Lock":             write,
	"/v3lockpb.Lock/Unlock":           write,
	"/v3electionpb.Election/Campaign": write,
	"/v3electionpb.Election/Proclaim": write,
	"/v3electionpb.Election/Leader":   read,
	"/v3electionpb.Election/Observe":  watch,
	"/v3electionpb.Election/Resign":   write,

	"/quorate.v1.QuotaService/QuotaSet":    never,
	"/quorate.v1.QuotaService/QuotaDelete": never,
	"/quorate.v1.QuotaService/QuotaList":   never,

	"/quorate.v1.InspectService/Children": list,
	"/quorate.v1.InspectService/History":  list,
	"/quorate.v1.InspectService/Deleted":  list,
	"/quorate.v1.InspectService/Changes":  list,

	// What the console reads and writes is limited where it asks for it.
	"/quorate.console.v1.ConsoleService/About":        never,
	"/quorate.console.v1.ConsoleService/Search":       never,
	"/quorate.console.v1.ConsoleService/Preview":      never,
	"/quorate.console.v1.ConsoleService/Apply":        never,
	"/quorate.console.v1.ConsoleService/Leases":       never,
	"/quorate.console.v1.ConsoleService/Locks":        never,
	"/quorate.console.v1.ConsoleService/Cluster":      never,
	"/quorate.console.v1.ConsoleService/MoveLeader":   never,
	"/quorate.console.v1.ConsoleService/Series":       read,
	"/quorate.console.v1.ConsoleService/SlowRequests": read,
	"/quorate.console.v1.ConsoleService/AuditTrail":   read,
	"/quorate.console.v1.ConsoleService/Rights":       read,
	"/quorate.console.v1.ConsoleService/Live":         read,

	"/grpc.health.v1.Health/Check":                                   never,
	"/grpc.health.v1.Health/List":                                    never,
	"/grpc.health.v1.Health/Watch":                                   never,
	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      never,
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": never,
}

// KindOf returns the kind of a method, by its full name, "/package.Service/Method".
func KindOf(method string) Kind { return kinds[method] }

func ofRange(request any) Classes {
	r, _ := request.(*etcdserverpb.RangeRequest)
	return span(r.GetRangeEnd())
}

// span tells a range of keys from one key.
func span(end []byte) Classes {
	if len(end) > 0 {
		return Lists
	}
	return Reads
}

// nestedMax is how deep transactions are looked into. The store takes fewer.
const nestedMax = 64

// ofTxn returns the classes of all operations of a transaction, whichever of them are carried out. A comparison reads what it compares.
func ofTxn(request any) Classes {
	r, _ := request.(*etcdserverpb.TxnRequest)
	classes := inTxn(r, 0)
	if classes&(Writes|Lists) != 0 {
		classes &^= Reads // what reads a key besides is no read of its own: locks and elections compare before they write
	}
	if classes == None {
		return Reads
	}
	return classes
}

func inTxn(r *etcdserverpb.TxnRequest, depth int) (classes Classes) {
	if depth > nestedMax {
		return Writes
	}
	for _, c := range r.GetCompare() {
		classes |= span(c.GetRangeEnd())
	}
	for _, branch := range [][]*etcdserverpb.RequestOp{r.GetSuccess(), r.GetFailure()} {
		for _, op := range branch {
			switch {
			case op.GetRequestRange() != nil:
				classes |= span(op.GetRequestRange().GetRangeEnd())
			case op.GetRequestTxn() != nil:
				classes |= inTxn(op.GetRequestTxn(), depth+1)
			default:
				classes |= Writes
			}
		}
	}
	return classes
}
