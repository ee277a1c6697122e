package forward

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
)

// Goal: a range of a client is the same range within the namespace. Method: a table of ends, those without a successor too.
func TestNamespaceEnds(t *testing.T) {
	for _, c := range []struct {
		namespace Namespace
		end, want string
	}{
		{"", "x", "x"},
		{"", "\x00", "\x00"},
		{"ns/", "", ""},
		{"ns/", "x", "ns/x"},
		{"ns/", "\x00", "ns0"},
		{"ns/", "\x00\x00", "ns/\x00\x00"},
		{"a\xff", "\x00", "b"},
		{"\xff\xff", "\x00", "\x00"},
	} {
		require.Equal(t, c.want, string(c.namespace.End([]byte(c.end))), "%q in %q", c.end, c.namespace)
	}
	require.Empty(t, Namespace("ns/").Key(nil), "an empty key stays one, to be refused")
}

// Goal: a client's request is not changed, because it may still be logged. Method: a transaction with all kinds of operations.
func TestNamespaceCopies(t *testing.T) {
	request := &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{{Key: []byte("a")}},
		Success: []*etcdserverpb.RequestOp{
			{Request: &etcdserverpb.RequestOp_RequestRange{RequestRange: &etcdserverpb.RangeRequest{Key: []byte("b"), RangeEnd: []byte{0}}}},
			{Request: &etcdserverpb.RequestOp_RequestTxn{RequestTxn: &etcdserverpb.TxnRequest{Failure: []*etcdserverpb.RequestOp{
				{Request: &etcdserverpb.RequestOp_RequestDeleteRange{RequestDeleteRange: &etcdserverpb.DeleteRangeRequest{Key: []byte("c")}}},
			}}}},
		},
		Failure: []*etcdserverpb.RequestOp{{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: &etcdserverpb.PutRequest{Key: []byte("d")}}}},
	}
	before := proto.CloneOf(request)
	renamed := Namespace("ns/").txn(request)
	require.True(t, proto.Equal(before, request))
	require.Equal(t, "ns/a", string(renamed.GetCompare()[0].GetKey()))
	require.Equal(t, "ns/b", string(renamed.GetSuccess()[0].GetRequestRange().GetKey()))
	require.Equal(t, "ns0", string(renamed.GetSuccess()[0].GetRequestRange().GetRangeEnd()))
	require.Equal(t, "ns/c", string(renamed.GetSuccess()[1].GetRequestTxn().GetFailure()[0].GetRequestDeleteRange().GetKey()))
	require.Equal(t, "ns/d", string(renamed.GetFailure()[0].GetRequestPut().GetKey()))
}
