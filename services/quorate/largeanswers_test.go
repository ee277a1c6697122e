package quorate_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
)

// Goal: large answers whose memory is used again show what was asked for, also to clients that read at the same time. Method: clients that each list
// keys of their own, in pages, beside others that do, and compare every value with what its key says.
func TestLargeAnswersShowWhatWasAsked(t *testing.T) {
	const clients, keys, pages, valueBytes = 8, 200, 12, 2_000
	server := start(t, config(t))
	value := func(client, i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%d/%d ", client, i), valueBytes/6) }
	key := func(client, i int) []byte { return fmt.Appendf(nil, "large/%d/%04d", client, i) }
	kv := etcdserverpb.NewKVClient(dial(t, server.ClientURLs()[0], nil))
	for client := range clients {
		for i := range keys {
			_, err := kv.Put(t.Context(), &etcdserverpb.PutRequest{Key: key(client, i), Value: value(client, i)})
			require.NoError(t, err)
		}
	}
	var group errgroup.Group
	for client := range clients {
		kv := etcdserverpb.NewKVClient(dial(t, server.ClientURLs()[0], nil))
		group.Go(func() error {
			for page := range pages {
				request := &etcdserverpb.RangeRequest{Key: key(client, page), RangeEnd: key(client, keys)}
				if page%3 == 2 {
					request.SortOrder, request.SortTarget = etcdserverpb.RangeRequest_ASCEND, etcdserverpb.RangeRequest_VERSION
				}
				got, err := kv.Range(t.Context(), request)
				if err != nil {
					return err
				}
				if len(got.GetKvs()) != keys-page {
					return fmt.Errorf("%d keys", len(got.GetKvs()))
				}
				for i, kv := range got.GetKvs() {
					if !bytes.Equal(kv.GetKey(), key(client, page+i)) || !bytes.Equal(kv.GetValue(), value(client, page+i)) {
						return fmt.Errorf("%s has %.20s", kv.GetKey(), kv.GetValue())
					}
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}
