package output

import (
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Watch shows the events that came together.
func Watch(r *clientv3.WatchResponse) Answer {
	return Answer{
		JSON: r,
		Message: &etcdserverpb.WatchResponse{
			Header: r.Header, Events: r.Events, CompactRevision: r.CompactRevision, Canceled: r.Canceled, Created: r.Created,
		},
		Simple: func(t *Text) {
			for _, event := range r.Events {
				t.Linef("%v", event.GetType())
				if before := event.GetPrevKv(); before != nil {
					t.keyValue(before, false)
				}
				t.keyValue(event.GetKv(), false)
			}
		},
		Fields: func(t *Text) {
			t.header(r.Header)
			for _, event := range r.Events {
				t.field("Type", event.GetType())
				if before := event.GetPrevKv(); before != nil {
					t.keyValueFields("Prev", before)
				}
				t.keyValueFields("", event.GetKv())
			}
		},
	}
}
