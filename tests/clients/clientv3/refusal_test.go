package clientv3

import (
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

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

// largeBytes is a value that makes any request too large.
const largeBytes = 1_572_864

// Goal: every malformed request is refused with etcd's code and text, to the letter. Method: a table on the wire, without the client, which
// would refuse some by itself.
func TestRefusals(t *testing.T) {
	k := open(t)
	at := k.put("a", "v")
	kv, leases := pb.NewKVClient(k.ActiveConnection()), pb.NewLeaseClient(k.ActiveConnection())
	key, none, large := []byte(k.key("a")), []byte(k.key("none")), make([]byte, largeBytes)
	type call func() error
	ranges := func(r *pb.RangeRequest) call {
		return func() error { _, err := kv.Range(k.ctx, r); return err }
	}
	put := func(r *pb.PutRequest) call {
		return func() error { _, err := kv.Put(k.ctx, r); return err }
	}
	for name, c := range map[string]struct {
		call call
		code codes.Code
		text string
	}{
		"range, no key":      {ranges(&pb.RangeRequest{RangeEnd: []byte("z")}), codes.InvalidArgument, noKey},
		"range, sort order":  {ranges(&pb.RangeRequest{Key: key, SortOrder: 7}), codes.InvalidArgument, badSort},
		"range, sort target": {ranges(&pb.RangeRequest{Key: key, SortTarget: -1}), codes.InvalidArgument, badSort},
		"range, future":      {ranges(&pb.RangeRequest{Key: key, Revision: at + 1_000_000}), codes.OutOfRange, future},
		"put, no key":        {put(&pb.PutRequest{Value: key}), codes.InvalidArgument, noKey},
		"put, value":         {put(&pb.PutRequest{Key: key, Value: key, IgnoreValue: true}), codes.InvalidArgument, value},
		"put, lease":         {put(&pb.PutRequest{Key: key, Lease: 5, IgnoreLease: true}), codes.InvalidArgument, lease},
		"put, unknown lease": {put(&pb.PutRequest{Key: key, Lease: 987654}), codes.NotFound, noLease},
		"put, no such value": {put(&pb.PutRequest{Key: none, IgnoreValue: true}), codes.InvalidArgument, notFound},
		"put, no such lease": {put(&pb.PutRequest{Key: none, IgnoreLease: true}), codes.InvalidArgument, notFound},
		"put, too large":     {put(&pb.PutRequest{Key: key, Value: large}), codes.InvalidArgument, tooLarge},
		"delete, no key": {func() error {
			_, err := kv.DeleteRange(k.ctx, &pb.DeleteRangeRequest{})
			return err
		}, codes.InvalidArgument, noKey},
		"compact, future": {func() error {
			_, err := kv.Compact(k.ctx, &pb.CompactionRequest{Revision: at + 1_000_000})
			return err
		}, codes.OutOfRange, future},
		"lease, revoke none": {func() error {
			_, err := leases.LeaseRevoke(k.ctx, &pb.LeaseRevokeRequest{ID: 987654})
			return err
		}, codes.NotFound, noLease},
		"method that is not": {func() error {
			return k.ActiveConnection().Invoke(k.ctx, "/etcdserverpb.KV/Nothing", &pb.PutRequest{}, &pb.PutResponse{})
		}, codes.Unimplemented, "unknown method Nothing for service etcdserverpb.KV"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, c.call(), c.code, c.text)
		})
	}
	// None of it left a trace.
	require.Equal(t, []string{"a"}, k.names(k.get("", clientv3.WithPrefix()).Kvs))
	require.Equal(t, at, k.get("a").Kvs[0].ModRevision)
}

// Goal: so is a transaction with one malformed part, wherever that is. Method: the same for operations, which stand beside a good put.
func TestTxnRefusals(t *testing.T) {
	k := open(t)
	at := k.put("a", "v")
	kv := pb.NewKVClient(k.ActiveConnection())
	key, large := []byte(k.key("a")), make([]byte, largeBytes)
	put := func(r *pb.PutRequest) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: r}}
	}
	get := func(r *pb.RangeRequest) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
	}
	del := func(r *pb.DeleteRangeRequest) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r}}
	}
	txn := func(op *pb.RequestOp) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{Success: []*pb.RequestOp{op}}}}
	}
	for name, c := range map[string]struct {
		op   *pb.RequestOp
		code codes.Code
		text string
	}{
		"put's key":        {put(&pb.PutRequest{}), codes.InvalidArgument, noKey},
		"put's value":      {put(&pb.PutRequest{Key: key, Value: key, IgnoreValue: true}), codes.InvalidArgument, value},
		"put's lease":      {put(&pb.PutRequest{Key: key, Lease: 5, IgnoreLease: true}), codes.InvalidArgument, lease},
		"unknown lease":    {put(&pb.PutRequest{Key: key, Lease: 987654}), codes.NotFound, noLease},
		"lease and no key": {put(&pb.PutRequest{Key: []byte(k.key("none")), Lease: 987654, IgnoreValue: true}), codes.NotFound, noLease},
		"range's key":      {get(&pb.RangeRequest{}), codes.InvalidArgument, noKey},
		"range's sort":     {get(&pb.RangeRequest{Key: key, SortOrder: 5}), codes.InvalidArgument, badSort},
		"future":           {get(&pb.RangeRequest{Key: key, Revision: at + 1_000_000}), codes.OutOfRange, future},
		"delete's key":     {del(&pb.DeleteRangeRequest{}), codes.InvalidArgument, noKey},
		"duplicate":        {put(&pb.PutRequest{Key: []byte(k.key("good"))}), codes.InvalidArgument, duplicate},
		"nested key":       {txn(put(&pb.PutRequest{})), codes.InvalidArgument, noKey},
		"nested duplicate": {txn(put(&pb.PutRequest{Key: []byte(k.key("good"))})), codes.InvalidArgument, duplicate},
		"empty operation":  {&pb.RequestOp{}, codes.InvalidArgument, notFound},
		"too large":        {put(&pb.PutRequest{Key: key, Value: large}), codes.InvalidArgument, tooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := kv.Txn(k.ctx, &pb.TxnRequest{Success: []*pb.RequestOp{put(&pb.PutRequest{Key: []byte(k.key("good"))}), c.op}})
			refused(t, err, c.code, c.text)
		})
	}
	_, err := kv.Txn(k.ctx, &pb.TxnRequest{Compare: []*pb.Compare{{}}})
	refused(t, err, codes.InvalidArgument, noKey)
	// None of it left a trace.
	require.Equal(t, []string{"a"}, k.names(k.get("", clientv3.WithPrefix()).Kvs))
	require.Equal(t, at, k.get("a").Kvs[0].ModRevision)
}

// Goal: a request of the largest size is served, and one far beyond is refused before it is read. Method: 1.5 MiB in all less some overhead, and
// 4 MB past the client's own limit.
func TestRequestSizes(t *testing.T) {
	k := open(t)
	kv := pb.NewKVClient(k.ActiveConnection())
	fits := make([]byte, largeBytes-1024)
	_, err := kv.Put(k.ctx, &pb.PutRequest{Key: []byte(k.key("a")), Value: fits})
	require.NoError(t, err)
	resp := k.get("a")
	require.Len(t, resp.Kvs[0].Value, len(fits))
	_, err = kv.Put(k.ctx, &pb.PutRequest{Key: []byte(k.key("a")), Value: make([]byte, 4<<20)}, grpc.MaxCallSendMsgSize(8<<20))
	require.ErrorContains(t, err, "code = ResourceExhausted desc = grpc: received message larger than max")
	require.Equal(t, resp.Kvs[0].ModRevision, k.get("a").Kvs[0].ModRevision)
}
