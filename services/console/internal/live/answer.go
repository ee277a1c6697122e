package live

import (
	"fmt"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// eventsField is the number of a WatchResponse's events.
const eventsField protowire.Number = 11

// answer is a watch's, of which no more events are read than may be shown: most of what comes to a page that cannot show all is passed over.
type answer struct {
	*etcdserverpb.WatchResponse
	// allowed tells how many events may be shown now.
	allowed func() int
	// passed is the revision of the first event that was not read, 0 where all were.
	passed int64
}

// TakeEncoded reads an answer that a stream within the process has encoded already, for all watches that are told the same.
func (a *answer) TakeEncoded(head, shared []byte) error {
	a.WatchResponse, a.passed = new(etcdserverpb.WatchResponse), 0
	if err := proto.Unmarshal(head, a.WatchResponse); err != nil {
		return fmt.Errorf("read a watch's answer: %w", err)
	}
	for most := a.allowed(); len(shared) > 0; {
		number, _, size := protowire.ConsumeField(shared)
		if size < 0 {
			return fmt.Errorf("read a watch's answer: %w", protowire.ParseError(size))
		}
		if err := (proto.UnmarshalOptions{Merge: true}).Unmarshal(shared[:size], a.WatchResponse); err != nil {
			return fmt.Errorf("read a watch's event: %w", err)
		}
		if number == eventsField && len(a.Events) > most {
			a.cutAt(most)
			return nil
		}
		shared = shared[size:]
	}
	return nil
}

// cut passes over what may not be shown of an answer that came as a whole.
func (a *answer) cut() {
	if most := a.allowed(); len(a.Events) > most {
		a.cutAt(most)
	}
}

func (a *answer) cutAt(most int) {
	a.passed, a.Events = a.Events[most].GetKv().GetModRevision(), a.Events[:most]
}
