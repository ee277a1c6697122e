package kv

import (
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/difference"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/paint"
)

// annotated shows events with when they came, or what they changed: a line each, and below it the difference or the value.
func (f *watchFlags) annotated(p paint.Paint) func(*clientv3.WatchResponse) output.Answer {
	return func(r *clientv3.WatchResponse) output.Answer {
		came := time.Now()
		return output.Answer{Simple: func(t *output.Text) {
			for _, event := range r.Events {
				if f.times {
					t.Printf("%s  ", p.Dim(fmt.Sprintf("%s  revision %d", came.Format("2006-01-02T15:04:05.000Z07:00"), event.GetKv().GetModRevision())))
				}
				what := p.Green("PUT")
				if event.Type == clientv3.EventTypeDelete {
					what = p.Red("DELETE")
				}
				t.Linef("%s  %s", what, p.Bold(fmt.Sprintf("%q", event.GetKv().GetKey())))
				if f.diff {
					t.Printf("%s", difference.Of(event.GetPrevKv().GetValue(), event.GetKv().GetValue(), p))
				} else if event.Type != clientv3.EventTypeDelete {
					t.Linef("%s", event.GetKv().GetValue())
				}
			}
		}}
	}
}
