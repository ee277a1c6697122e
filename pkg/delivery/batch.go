package delivery

import (
	"errors"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// EventField is the number of the field that each event of an encoded batch is, tag and length before it. It is that of
// etcd's WatchResponse, and the store's events have the field numbers of etcd's: so the bytes that a watch node makes are
// what a client gets.
const EventField protowire.Number = 11

// errMalformed is returned by FromEncoded for bytes that are no run of events.
var errMalformed = errors.New("malformed batch of events")

// Batch is a run of events in revision order, whole revisions only. It is immutable and shared by equal watches. It has
// been made of events, or of what those were encoded to, and makes the other, once, when it is asked for.
type Batch struct {
	first, last int64
	count       int

	decode sync.Once
	events []*consensusv1.Event

	encode  sync.Once
	encoded []byte
}

// NewBatch makes a batch of events, of which there must be one. It owns them from now on.
func NewBatch(events []*consensusv1.Event) *Batch {
	b := &Batch{
		events: events,
		count:  len(events),
		first:  events[0].GetKv().GetModRevision(),
		last:   events[len(events)-1].GetKv().GetModRevision(),
	}
	b.decode.Do(func() {})
	return b
}

// FromEncoded makes a batch of what Encoded returned elsewhere, and the revisions of its first and last events. It fails for
// bytes that are not a run of fields; what is in the fields it trusts.
func FromEncoded(encoded []byte, first, last int64) (*Batch, error) {
	b := &Batch{encoded: encoded, first: first, last: last}
	for rest := encoded; len(rest) > 0; b.count++ {
		number, kind, n := protowire.ConsumeField(rest)
		if n < 0 || number != EventField || kind != protowire.BytesType {
			return nil, errMalformed
		}
		rest = rest[n:]
	}
	b.encode.Do(func() {})
	return b, nil
}

// Count is how many events there are.
func (b *Batch) Count() int { return b.count }

// First and Last are the revisions of the first and last events.
func (b *Batch) First() int64 { return b.first }

// Last is for First.
func (b *Batch) Last() int64 { return b.last }

// Events returns the events. Nobody may change them.
func (b *Batch) Events() []*consensusv1.Event {
	b.decode.Do(func() {
		for rest := b.encoded; len(rest) > 0; {
			_, _, tag := protowire.ConsumeTag(rest) // FromEncoded has looked
			bytes, n := protowire.ConsumeBytes(rest[tag:])
			event := new(consensusv1.Event)
			if proto.Unmarshal(bytes, event) == nil { // it was made by Marshal
				b.events = append(b.events, event)
			}
			rest = rest[tag+n:]
		}
	})
	return b.events
}

// From returns the part of the batch at or after a revision, nil if there is none.
func (b *Batch) From(revision int64) *Batch {
	switch {
	case revision <= b.first:
		return b
	case revision > b.last:
		return nil
	}
	events := b.Events()
	for events[0].GetKv().GetModRevision() < revision {
		events = events[1:]
	}
	return NewBatch(events)
}

// Encoded returns the events one after the other, each as the field EventField. Nobody may change the bytes.
func (b *Batch) Encoded() []byte {
	b.encode.Do(func() {
		// Size leaves in each message what MarshalAppend would else compute again.
		options := proto.MarshalOptions{UseCachedSize: true}
		sizes := make([]int, len(b.events))
		total := 0
		for i, event := range b.events {
			sizes[i] = options.Size(event)
			total += protowire.SizeTag(EventField) + protowire.SizeBytes(sizes[i])
		}
		b.encoded = make([]byte, 0, total)
		for i, event := range b.events {
			b.encoded = protowire.AppendTag(b.encoded, EventField, protowire.BytesType)
			b.encoded = protowire.AppendVarint(b.encoded, uint64(sizes[i]))
			// Encoding fails only for what no event has: required fields and strings that are not UTF-8.
			b.encoded, _ = options.MarshalAppend(b.encoded, event)
		}
	})
	return b.encoded
}
