package live

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// Goal: of a watch's answer as many events are read as may be shown, and the first that is not is known by its revision, however the answer came; what is no
// answer is refused. Method: an answer of ten events, encoded and as a whole, for different numbers of events that may be shown.
func TestOnlyWhatMayBeShownIsRead(t *testing.T) {
	whole := &etcdserverpb.WatchResponse{}
	for i := range 10 {
		whole.Events = append(whole.Events, &mvccpb.Event{Kv: &mvccpb.KeyValue{Key: fmt.Append(nil, i), ModRevision: int64(100 + i)}, PrevKv: &mvccpb.KeyValue{Value: []byte("was")}})
	}
	encode := func(m proto.Message) []byte {
		encoded, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	shared, head := encode(whole), encode(&etcdserverpb.WatchResponse{WatchId: 7, Header: &etcdserverpb.ResponseHeader{Revision: 120}})
	for most, passed := range map[int]int64{0: 100, 3: 103, 9: 109, 10: 0, 50: 0} {
		encoded := &answer{allowed: func() int { return most }}
		if err := encoded.TakeEncoded(head, shared); err != nil || encoded.GetWatchId() != 7 {
			t.Fatalf("an answer of watch %d: %v", encoded.GetWatchId(), err)
		}
		came := &answer{WatchResponse: proto.CloneOf(whole), allowed: func() int { return most }}
		for _, a := range []*answer{encoded, came} {
			a.cut()
			if n := len(a.GetEvents()); n != min(most, 10) || a.passed != passed {
				t.Errorf("of %d events that may be shown %d are, the first that is not of revision %d, want %d", most, n, a.passed, passed)
			}
			for i, event := range a.GetEvents() {
				if !proto.Equal(whole.Events[i], event) {
					t.Errorf("event %d is %v, want %v", i, event, whole.Events[i])
				}
			}
		}
	}
	all := &answer{allowed: func() int { return 50 }}
	for _, bad := range [][2][]byte{{head, shared[:len(shared)-1]}, {{0xff}, shared}} {
		if all.TakeEncoded(bad[0], bad[1]) == nil {
			t.Errorf("%x and %x are taken", bad[0], bad[1])
		}
	}
	if err := all.TakeEncoded(nil, head); err != nil || all.GetWatchId() != 7 { // how it is cut in two is the sender's choice
		t.Errorf("an answer of watch %d: %v", all.GetWatchId(), err)
	}
}
