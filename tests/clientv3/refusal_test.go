package clientv3

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// Goal: every malformed request is refused with etcd's code and text, to the letter. Method: a table on the wire, without the client, which
// would refuse some by itself.
func TestRefusals(t *testing.T) {
	k := open(t)
	at := k.put("a", "v")
	kv, leases := pb.NewKVClient(k.ActiveConnection()), pb.NewLeaseClient(k.ActiveConnection())
	large := []byte(strings.Repeat("v", 1_572_864))
	key := []byte(k.key("a"))
	none := []byte(k.key("none"))
	type call func(context.Context) error
	ranges := func(r *pb.RangeRequest) call {
		return func(ctx context.Context) error { _, err := kv.Range(ctx, r); return err }
	}
	put := func(r *pb.PutRequest) call {
		return func(ctx context.Context) error { _, err := kv.Put(ctx, r); return err }
	}
	del := func(r *pb.DeleteRangeRequest) call {
		return func(ctx context.Context) error { _, err := kv.DeleteRange(ctx, r); return err }
	}
	compact := func(r *pb.CompactionRequest) call {
		return func(ctx context.Context) error { _, err := kv.Compact(ctx, r); return err }
	}
	txn := func(r *pb.TxnRequest) call {
		return func(ctx context.Context) error { _, err := kv.Txn(ctx, r); return err }
	}
	then := func(ops ...*pb.RequestOp) call { return txn(&pb.TxnRequest{Success: ops}) }
	opPut := func(r *pb.PutRequest) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: r}}
	}
	opRange := func(r *pb.RangeRequest) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
	}
	opDelete := func(r *pb.DeleteRangeRequest) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r}}
	}
	opTxn := func(ops ...*pb.RequestOp) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{Success: ops}}}
	}
	const (
		noKey     = "etcdserver: key is not provided"
		notFound  = "etcdserver: key not found"
		value     = "etcdserver: value is provided"
		lease     = "etcdserver: lease is provided"
		noLease   = "etcdserver: requested lease not found"
		badSort   = "etcdserver: invalid sort option"
		future    = "etcdserver: mvcc: required revision is a future revision"
		tooLarge  = "etcdserver: request is too large"
		duplicate = "etcdserver: duplicate key given in txn request"
	)
	for name, c := range map[string]struct {
		call call
		code codes.Code
		text string
	}{
		"range, no key":         {ranges(&pb.RangeRequest{RangeEnd: []byte("z")}), codes.InvalidArgument, noKey},
		"range, sort order":     {ranges(&pb.RangeRequest{Key: key, SortOrder: 7}), codes.InvalidArgument, badSort},
		"range, sort target":    {ranges(&pb.RangeRequest{Key: key, SortTarget: -1}), codes.InvalidArgument, badSort},
		"range, future":         {ranges(&pb.RangeRequest{Key: key, Revision: at + 1_000_000}), codes.OutOfRange, future},
		"put, no key":           {put(&pb.PutRequest{Value: key}), codes.InvalidArgument, noKey},
		"put, value":            {put(&pb.PutRequest{Key: key, Value: key, IgnoreValue: true}), codes.InvalidArgument, value},
		"put, lease":            {put(&pb.PutRequest{Key: key, Lease: 5, IgnoreLease: true}), codes.InvalidArgument, lease},
		"put, unknown lease":    {put(&pb.PutRequest{Key: key, Lease: 987654}), codes.NotFound, noLease},
		"put, no such value":    {put(&pb.PutRequest{Key: none, IgnoreValue: true}), codes.InvalidArgument, notFound},
		"put, no such lease":    {put(&pb.PutRequest{Key: none, IgnoreLease: true}), codes.InvalidArgument, notFound},
		"put, too large":        {put(&pb.PutRequest{Key: key, Value: large}), codes.InvalidArgument, tooLarge},
		"delete, no key":        {del(&pb.DeleteRangeRequest{}), codes.InvalidArgument, noKey},
		"compact, future":       {compact(&pb.CompactionRequest{Revision: at + 1_000_000}), codes.OutOfRange, future},
		"txn, compare's key":    {txn(&pb.TxnRequest{Compare: []*pb.Compare{{}}}), codes.InvalidArgument, noKey},
		"txn, put's key":        {then(opPut(&pb.PutRequest{})), codes.InvalidArgument, noKey},
		"txn, range's key":      {then(opRange(&pb.RangeRequest{})), codes.InvalidArgument, noKey},
		"txn, delete's key":     {then(opDelete(&pb.DeleteRangeRequest{})), codes.InvalidArgument, noKey},
		"txn, range's sort":     {then(opRange(&pb.RangeRequest{Key: key, SortOrder: 5})), codes.InvalidArgument, badSort},
		"txn, put's value":      {then(opPut(&pb.PutRequest{Key: key, Value: key, IgnoreValue: true})), codes.InvalidArgument, value},
		"txn, put's lease":      {then(opPut(&pb.PutRequest{Key: key, Lease: 5, IgnoreLease: true})), codes.InvalidArgument, lease},
		"txn, unknown lease":    {then(opPut(&pb.PutRequest{Key: key, Lease: 987654})), codes.NotFound, noLease},
		"txn, nested key":       {then(opTxn(opPut(&pb.PutRequest{}))), codes.InvalidArgument, noKey},
		"txn, empty operation":  {then(&pb.RequestOp{}), codes.InvalidArgument, notFound},
		"txn, duplicate":        {then(opPut(&pb.PutRequest{Key: key}), opPut(&pb.PutRequest{Key: key})), codes.InvalidArgument, duplicate},
		"txn, nested duplicate": {then(opPut(&pb.PutRequest{Key: key}), opTxn(opPut(&pb.PutRequest{Key: key}))), codes.InvalidArgument, duplicate},
		"txn, future":           {then(opPut(&pb.PutRequest{Key: none}), opRange(&pb.RangeRequest{Key: key, Revision: at + 1_000_000})), codes.OutOfRange, future},
		"txn, too large":        {then(opPut(&pb.PutRequest{Key: key, Value: large})), codes.InvalidArgument, tooLarge},
		"lease, revoke none": {func(ctx context.Context) error {
			_, err := leases.LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: 987654})
			return err
		}, codes.NotFound, noLease},
		"method that is not": {func(ctx context.Context) error {
			return k.ActiveConnection().Invoke(ctx, "/etcdserverpb.KV/Nothing", &pb.PutRequest{}, &pb.PutResponse{})
		}, codes.Unimplemented, "unknown method Nothing for service etcdserverpb.KV"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, c.call(k.ctx), c.code, c.text)
		})
	}
	// None of it left a trace.
	require.Equal(t, []string{"a"}, k.names(k.get("", clientv3.WithPrefix()).Kvs))
	require.Equal(t, at, k.get("a").Kvs[0].ModRevision)
}

// Goal: a request of the largest size is served, and one far beyond is refused before it is read. Method: 1.5 MiB in all less some overhead, and
// 4 MB past the client's own limit.
func TestRequestSizes(t *testing.T) {
	k := open(t)
	kv := pb.NewKVClient(k.ActiveConnection())
	value := make([]byte, 1_572_864-1024)
	_, err := kv.Put(k.ctx, &pb.PutRequest{Key: []byte(k.key("a")), Value: value})
	require.NoError(t, err)
	resp := k.get("a")
	require.Len(t, resp.Kvs[0].Value, len(value))
	_, err = kv.Put(k.ctx, &pb.PutRequest{Key: []byte(k.key("a")), Value: make([]byte, 4<<20)}, grpc.MaxCallSendMsgSize(8<<20))
	require.ErrorContains(t, err, "code = ResourceExhausted desc = grpc: received message larger than max")
	require.Equal(t, resp.Kvs[0].ModRevision, k.get("a").Kvs[0].ModRevision)
}
