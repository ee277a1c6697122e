package upstream

import (
	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/quoratedb/quorate/pkg/gen/quorate/v1/quoratev1connect"
)

// reading are the methods that change nothing, whose requests may be made again.
var reading = map[string]bool{
	etcdserverpb.KV_Range_FullMethodName: true,
	etcdserverpb.KV_Txn_FullMethodName:   false, // by its operations, see repeatable

	etcdserverpb.Lease_LeaseTimeToLive_FullMethodName: true,
	etcdserverpb.Lease_LeaseLeases_FullMethodName:     true,

	etcdserverpb.Cluster_MemberList_FullMethodName: true,

	etcdserverpb.Maintenance_Status_FullMethodName: true,
	etcdserverpb.Maintenance_Hash_FullMethodName:   true,
	etcdserverpb.Maintenance_HashKV_FullMethodName: true,

	etcdserverpb.Auth_Authenticate_FullMethodName: true,
	etcdserverpb.Auth_AuthStatus_FullMethodName:   true,
	etcdserverpb.Auth_UserGet_FullMethodName:      true,
	etcdserverpb.Auth_UserList_FullMethodName:     true,
	etcdserverpb.Auth_RoleGet_FullMethodName:      true,
	etcdserverpb.Auth_RoleList_FullMethodName:     true,

	"/v3electionpb.Election/Leader": true,

	quoratev1connect.QuotaServiceQuotaListProcedure:  true,
	quoratev1connect.InspectServiceChildrenProcedure: true,
	quoratev1connect.InspectServiceHistoryProcedure:  true,
	quoratev1connect.InspectServiceDeletedProcedure:  true,
	quoratev1connect.InspectServiceChangesProcedure:  true,
}

// unbounded are the methods that take as long as they take.
var unbounded = map[string]bool{
	"/v3lockpb.Lock/Lock":                              true,
	"/v3electionpb.Election/Campaign":                  true,
	etcdserverpb.Maintenance_Defragment_FullMethodName: true,
	etcdserverpb.KV_Compact_FullMethodName:             true,
}

// repeatable tells that a request may be made again where nobody knows whether it was carried out.
func repeatable(method string, args any) bool {
	switch r := args.(type) {
	case *etcdserverpb.TxnRequest:
		return ReadsOnly(r)
	case *etcdserverpb.AlarmRequest:
		return r.GetAction() == etcdserverpb.AlarmRequest_GET
	}
	return reading[method]
}

// ReadsOnly tells that a transaction cannot write.
func ReadsOnly(r *etcdserverpb.TxnRequest) bool {
	for _, branch := range [...][]*etcdserverpb.RequestOp{r.GetSuccess(), r.GetFailure()} {
		for _, op := range branch {
			nested := op.GetRequestTxn()
			if op.GetRequestRange() == nil && (nested == nil || !ReadsOnly(nested)) {
				return false
			}
		}
	}
	return true
}
