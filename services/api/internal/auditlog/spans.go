package auditlog

import (
	"bytes"
	"strings"

	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/etcdserverpb"

	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3electionpb"
	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3lockpb"
)

// span is a range of keys that a request names, as it came over the wire, and what is to be done with them.
type span struct {
	access   string // read, write, delete, compare, watch, grant
	key, end []byte
	value    []byte // of a put or a compare
	hasValue bool
	lease    int64
}

// below tells whether all keys of the range begin with prefix.
func (s span) below(prefix string) bool {
	if !bytes.HasPrefix(s.key, []byte(prefix)) {
		return false
	}
	if len(s.end) == 0 || prefix == "" {
		return true
	}
	after := prefixEnd(prefix)
	if len(after) == 0 {
		return true // nothing comes after it
	}
	return !(len(s.end) == 1 && s.end[0] == 0) && bytes.Compare(s.end, after) <= 0
}

// prefixEnd is the first key behind all that begin with prefix; empty if there is none.
func prefixEnd(prefix string) []byte {
	end := []byte(prefix)
	for len(end) > 0 {
		if end[len(end)-1]++; end[len(end)-1] != 0 {
			return end
		}
		end = end[:len(end)-1]
	}
	return nil
}

// object is what a request is about that is no range.
type object struct {
	user, role    string
	lease, member uint64
}

// Keys returns the keys, and the beginnings of ranges, that a request of a wire names.
func Keys(request any) [][]byte {
	var keys [][]byte
	for _, s := range spansOf(request) {
		keys = append(keys, s.key)
	}
	return keys
}

// spansOf returns the ranges that a request of a wire names, nested transactions too.
func spansOf(request any) []span {
	switch r := request.(type) {
	case *etcdserverpb.RangeRequest:
		return []span{{access: "read", key: r.GetKey(), end: r.GetRangeEnd()}}
	case *etcdserverpb.PutRequest:
		return []span{putSpan(r)}
	case *etcdserverpb.DeleteRangeRequest:
		return []span{{access: "delete", key: r.GetKey(), end: r.GetRangeEnd()}}
	case *etcdserverpb.TxnRequest:
		return txnSpans(nil, r, 0)
	case *etcdserverpb.WatchCreateRequest:
		return []span{{access: "watch", key: r.GetKey(), end: r.GetRangeEnd()}}
	case *etcdserverpb.AuthRoleGrantPermissionRequest:
		return []span{{access: "grant " + strings.ToLower(authpb.Permission_Type_name[int32(r.GetPerm().GetPermType())]), key: r.GetPerm().GetKey(), end: r.GetPerm().GetRangeEnd()}}
	case *etcdserverpb.AuthRoleRevokePermissionRequest:
		return []span{{access: "revoke", key: r.GetKey(), end: r.GetRangeEnd()}}
	case *v3lockpb.LockRequest:
		return []span{turnSpan("write", r.GetName())}
	case *v3lockpb.UnlockRequest:
		return []span{{access: "delete", key: r.GetKey()}}
	case *v3electionpb.CampaignRequest:
		campaign := turnSpan("write", r.GetName())
		campaign.value, campaign.hasValue = r.GetValue(), true
		return []span{campaign}
	case *v3electionpb.ProclaimRequest:
		return []span{{access: "write", key: r.GetLeader().GetKey(), value: r.GetValue(), hasValue: true, lease: r.GetLeader().GetLease()}}
	case *v3electionpb.ResignRequest:
		return []span{{access: "delete", key: r.GetLeader().GetKey()}}
	case *v3electionpb.LeaderRequest:
		return []span{turnSpan("read", r.GetName())}
	case *quoratev1.QuotaSetRequest:
		return []span{prefixSpan("set quota", r.GetPrefix())}
	case *quoratev1.QuotaDeleteRequest:
		return []span{prefixSpan("delete quota", r.GetPrefix())}
	case *quoratev1.ChildrenRequest:
		return []span{prefixSpan("read", r.GetPrefix())}
	case *quoratev1.HistoryRequest:
		return []span{{access: "read", key: r.GetKey()}}
	case *quoratev1.DeletedRequest:
		return []span{prefixSpan("read", r.GetPrefix())}
	case *quoratev1.ChangesRequest:
		return []span{prefixSpan("read", r.GetPrefix())}
	}
	return nil
}

// turnSpan is where the keys of a lock or an election lie.
func turnSpan(access string, name []byte) span {
	prefix := string(name) + "/"
	return span{access: access, key: []byte(prefix), end: prefixEnd(prefix)}
}

// prefixSpan is all that begins with a prefix, which may be empty.
func prefixSpan(access string, prefix []byte) span {
	end := prefixEnd(string(prefix))
	if len(end) == 0 {
		end = []byte{0}
	}
	if len(prefix) == 0 {
		prefix = []byte{0}
	}
	return span{access: access, key: prefix, end: end}
}

func putSpan(r *etcdserverpb.PutRequest) span {
	return span{access: "write", key: r.GetKey(), value: r.GetValue(), hasValue: true, lease: r.GetLease()}
}

// nestedMax is how deep transactions are looked into. The store takes fewer.
const nestedMax = 64

func txnSpans(spans []span, r *etcdserverpb.TxnRequest, depth int) []span {
	if depth > nestedMax {
		return spans
	}
	for _, c := range r.GetCompare() {
		s := span{access: "compare", key: c.GetKey(), end: c.GetRangeEnd()}
		if v, ok := c.GetTargetUnion().(*etcdserverpb.Compare_Value); ok {
			s.value, s.hasValue = v.Value, true
		}
		spans = append(spans, s)
	}
	for _, branch := range [][]*etcdserverpb.RequestOp{r.GetSuccess(), r.GetFailure()} {
		for _, op := range branch {
			switch {
			case op.GetRequestRange() != nil:
				spans = append(spans, spansOf(op.GetRequestRange())...)
			case op.GetRequestPut() != nil:
				spans = append(spans, putSpan(op.GetRequestPut()))
			case op.GetRequestDeleteRange() != nil:
				spans = append(spans, spansOf(op.GetRequestDeleteRange())...)
			case op.GetRequestTxn() != nil:
				spans = txnSpans(spans, op.GetRequestTxn(), depth+1)
			}
		}
	}
	return spans
}

// objectOf returns what else a request is about. A name that logs in is the user, not the object.
func objectOf(request any) object {
	var o object
	if r, ok := request.(interface{ GetUser() string }); ok {
		o.user = r.GetUser()
	}
	if r, ok := request.(interface{ GetRole() string }); ok {
		o.role = r.GetRole()
	}
	switch r := request.(type) {
	case *etcdserverpb.AuthUserAddRequest:
		o.user = r.GetName()
	case *etcdserverpb.AuthUserGetRequest:
		o.user = r.GetName()
	case *etcdserverpb.AuthUserDeleteRequest:
		o.user = r.GetName()
	case *etcdserverpb.AuthUserChangePasswordRequest:
		o.user = r.GetName()
	case *etcdserverpb.AuthUserRevokeRoleRequest:
		o.user = r.GetName()
	case *etcdserverpb.AuthRoleAddRequest:
		o.role = r.GetName()
	case *etcdserverpb.AuthRoleGrantPermissionRequest:
		o.role = r.GetName()
	case *etcdserverpb.LeaseGrantRequest:
		o.lease = uint64(r.GetID())
	case *etcdserverpb.LeaseRevokeRequest:
		o.lease = uint64(r.GetID())
	case *etcdserverpb.LeaseKeepAliveRequest:
		o.lease = uint64(r.GetID())
	case *v3lockpb.LockRequest:
		o.lease = uint64(r.GetLease())
	case *v3electionpb.CampaignRequest:
		o.lease = uint64(r.GetLease())
	case *etcdserverpb.LeaseTimeToLiveRequest:
		o.lease = uint64(r.GetID())
	case *etcdserverpb.MemberRemoveRequest:
		o.member = r.GetID()
	case *etcdserverpb.MemberUpdateRequest:
		o.member = r.GetID()
	case *etcdserverpb.MemberPromoteRequest:
		o.member = r.GetID()
	case *etcdserverpb.MoveLeaderRequest:
		o.member = r.GetTargetID()
	}
	return o
}
