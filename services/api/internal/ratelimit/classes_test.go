package ratelimit

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// Goal: nothing is served of which nobody has decided whether it is limited. Method: the table beside that of what methods need, which has
// every method of every descriptor that is served, as a test there holds.
func TestEveryMethodIsDecidedOn(t *testing.T) {
	require.ElementsMatch(t, auth.Methods(), slices.Collect(maps.Keys(kinds)))
}

// Goal: what keeps a store going is never limited. Method: the methods by name, whatever the table says of others.
func TestWhatIsNeverLimited(t *testing.T) {
	for _, method := range []string{
		"/etcdserverpb.Lease/LeaseKeepAlive", "/etcdserverpb.Lease/LeaseRevoke", "/etcdserverpb.KV/Compact", "/etcdserverpb.Auth/Authenticate",
		"/etcdserverpb.Maintenance/Alarm", "/etcdserverpb.Maintenance/Status", "/etcdserverpb.Maintenance/Defragment",
		"/etcdserverpb.Maintenance/Snapshot", "/etcdserverpb.Maintenance/MoveLeader", "/etcdserverpb.Cluster/MemberRemove",
		"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
	} {
		require.Contains(t, kinds, method)
		require.Nil(t, KindOf(method), method)
	}
}

func ranged(key, end string) *etcdserverpb.RangeRequest {
	return &etcdserverpb.RangeRequest{Key: []byte(key), RangeEnd: []byte(end)}
}

func rangeOp(end string) *etcdserverpb.RequestOp {
	return &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestRange{RequestRange: ranged("a", end)}}
}

func txnOp(r *etcdserverpb.TxnRequest) *etcdserverpb.RequestOp {
	return &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestTxn{RequestTxn: r}}
}

// Goal: a request has the classes of what it may do, however it is wrapped. Method: requests by table.
func TestClassesOfRequests(t *testing.T) {
	put := &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: &etcdserverpb.PutRequest{}}}
	del := &etcdserverpb.RequestOp{Request: &etcdserverpb.RequestOp_RequestDeleteRange{RequestDeleteRange: &etcdserverpb.DeleteRangeRequest{}}}
	txn := func(ops ...*etcdserverpb.RequestOp) *etcdserverpb.TxnRequest {
		return &etcdserverpb.TxnRequest{Success: ops}
	}
	deep := txn(rangeOp("b"))
	for range 2 * nestedMax {
		deep = txn(txnOp(deep))
	}
	for name, c := range map[string]struct {
		method  string
		request any
		want    Classes
	}{
		"a key":                    {"KV/Range", ranged("a", ""), Reads},
		"a range":                  {"KV/Range", ranged("a", "b"), Lists},
		"all keys":                 {"KV/Range", ranged("\x00", "\x00"), Lists},
		"a streamed key":           {"KV/RangeStream", ranged("a", ""), Reads},
		"a streamed range":         {"KV/RangeStream", ranged("a", "b"), Lists},
		"a put":                    {"KV/Put", &etcdserverpb.PutRequest{}, Writes},
		"a deletion of a range":    {"KV/DeleteRange", &etcdserverpb.DeleteRangeRequest{RangeEnd: []byte("b")}, Writes},
		"an empty txn":             {"KV/Txn", txn(), Reads},
		"a txn that reads":         {"KV/Txn", txn(rangeOp("")), Reads},
		"a txn that lists":         {"KV/Txn", txn(rangeOp(""), rangeOp("b")), Lists},
		"a txn that puts":          {"KV/Txn", txn(put), Writes},
		"a txn that deletes":       {"KV/Txn", txn(del, rangeOp("")), Writes},
		"a txn that puts or lists": {"KV/Txn", &etcdserverpb.TxnRequest{Success: []*etcdserverpb.RequestOp{put}, Failure: []*etcdserverpb.RequestOp{rangeOp("b")}}, Writes | Lists},
		"a nested put":             {"KV/Txn", txn(txnOp(txn(txnOp(txn(put)), rangeOp("b")))), Writes | Lists},
		"a lock's txn": {"KV/Txn", &etcdserverpb.TxnRequest{
			Compare: []*etcdserverpb.Compare{{Key: []byte("a")}}, Success: []*etcdserverpb.RequestOp{put, rangeOp("")},
		}, Writes},
		"a compared range":        {"KV/Txn", &etcdserverpb.TxnRequest{Compare: []*etcdserverpb.Compare{{Key: []byte("a"), RangeEnd: []byte("b")}}}, Lists},
		"too deep to look into":   {"KV/Txn", deep, Writes},
		"an operation of no kind": {"KV/Txn", txn(&etcdserverpb.RequestOp{}), Writes},
		"a lease":                 {"Lease/LeaseGrant", &etcdserverpb.LeaseGrantRequest{}, Writes},
		"all leases":              {"Lease/LeaseLeases", &etcdserverpb.LeaseLeasesRequest{}, Lists},
	} {
		require.Equal(t, c.want, KindOf("/etcdserverpb."+c.method)(c.request), name)
	}
}
