package calls

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
)

// Goal: a slow call is logged with etcd's keys and its shape, never with keys or values of the store; one that is quick enough, or is meant to wait,
// is not. Method: end calls that began at several moments.
func TestSlowCallsAreLoggedByTheirShape(t *testing.T) {
	var out bytes.Buffer
	c := &Calls{}
	c.WatchSlow(Slow{After: time.Minute, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	put := &etcdserverpb.PutRequest{Key: []byte("secret-key"), Value: []byte("secret-value")}
	request := &etcdserverpb.TxnRequest{
		Compare: []*etcdserverpb.Compare{{Key: []byte("secret-key")}},
		Success: []*etcdserverpb.RequestOp{
			{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: put}},
			{Request: &etcdserverpb.RequestOp_RequestRange{RequestRange: &etcdserverpb.RangeRequest{Key: []byte("a"), RangeEnd: []byte("b"), Limit: 5}}},
		},
	}
	m := &Method{full: "/etcdserverpb.KV/Txn"}
	c.Ended(context.Background(), m, time.Now(), request, nil, nil)
	c.Ended(context.Background(), &Method{waits: true}, time.Now().Add(-time.Hour), request, nil, nil)
	require.Empty(t, out.String())
	c.Ended(context.Background(), m, time.Now().Add(-time.Hour), request, &etcdserverpb.TxnResponse{}, errors.New("x"))
	for _, want := range []string{
		`msg="request stats"`, `"time spent"=1h0m0.`, `"response type"=/etcdserverpb.KV/Txn`, "code=Unknown",
		`"request content"="txn compare:1 success:[put key_size:10 value_size:12, range key_size:1 end_size:1 limit:5 revision:0 serializable:false keys_only:false count_only:false sort_order:NONE] failure:[]"`,
	} {
		require.Contains(t, out.String(), want)
	}
	require.NotContains(t, out.String(), "secret")
}
