package gateway

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
)

// FuzzJSON: whatever a body of JSON has, reading messages from it ends, none takes more than its bound, and what was read can be sent on.
func FuzzJSON(f *testing.F) {
	f.Add(`{"key":"Zm9v","range_end":"Zm9w","limit":"10"}`)
	f.Add(`{"compare":[{"target":"VALUE","key":"YQ==","value":"Yg=="}],"success":[{"requestPut":{"key":"YQ==","value":"Yw=="}}]}`)
	f.Add(`{"create_request":{"key":"YQ==","filters":["NOPUT"]}}{"cancel_request":{"watch_id":1}}`)
	f.Add(strings.Repeat(`{"success":[{"request_txn":`, 200))
	const bytesMax = 4096
	f.Fuzz(func(t *testing.T, body string) {
		m := newMarshaler(bytesMax)
		for _, message := range []proto.Message{&etcdserverpb.TxnRequest{}, &etcdserverpb.WatchRequest{}, &etcdserverpb.RangeRequest{}} {
			source := strings.NewReader(body)
			decoder := m.NewDecoder(source)
			for range 4 { // of a stream
				before := source.Len()
				if err := decoder.Decode(message); err != nil {
					break
				}
				require.LessOrEqual(t, before-source.Len(), bytesMax)
				encoded, err := proto.Marshal(message)
				require.NoError(t, err)
				require.NoError(t, proto.Unmarshal(encoded, message.ProtoReflect().New().Interface()))
			}
		}
	})
}
