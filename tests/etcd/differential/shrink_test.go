package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// Goal: a failing sequence is shrunk to what it takes. Method: a fault that shows when a put of one key with a lease comes before a transaction
// that deletes in a nested one, hidden in a long sequence.
func TestShrink(t *testing.T) {
	steps := generate(3, 200)
	lease := &pb.PutRequest{Key: []byte("the one"), Value: []byte("long"), Lease: 3, PrevKv: true}
	nested := &pb.TxnRequest{
		Compare: []*pb.Compare{{Key: []byte("a")}},
		Success: []*pb.RequestOp{
			{Request: &pb.RequestOp_RequestPut{RequestPut: lease}},
			{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{
				Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: []byte("x")}}}},
			}}},
		},
	}
	steps[20], steps[150] = step{request: lease, node: 1}, step{request: nested, node: 2}
	differs := func(steps []step) bool {
		put := false
		for _, s := range steps {
			if r, ok := s.request.(*pb.PutRequest); ok && string(r.Key) == "the one" && r.Lease != 0 {
				put = true
			}
			if r, ok := s.request.(*pb.TxnRequest); ok && put {
				for _, op := range r.Success {
					for _, inner := range op.GetRequestTxn().GetSuccess() {
						if inner.GetRequestDeleteRange() != nil {
							return true
						}
					}
				}
			}
		}
		return false
	}
	require.True(t, differs(steps))
	smallest := smaller(fewer(steps, differs), differs)
	require.Equal(t, "   0  Put {key:\"the one\" lease:3} @1\n   1  Txn {success:{request_txn:{success:{request_delete_range:{}}}}} @2\n", describe(smallest))
}
