package v3

import (
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/services/api/internal/wire"
)

// sendEvents tells a watch a batch of events, in fragments if it wants them and the batch is large.
func (s *watchSender) sendEvents(w *watch, d *delivery.Delivery) error {
	response := &etcdserverpb.WatchResponse{Header: s.header(d.Revision), WatchId: w.id}
	if s.encoded {
		return s.sendEncoded(w, response, d.Batch)
	}
	events := fromEvents(d.Batch.Events())
	if !w.fragment {
		response.Events = events
		return s.stream.Send(response)
	}
	sizes := make([]int, len(events))
	for i, event := range events {
		sizes[i] = eventFieldBytes(proto.Size(event))
	}
	ends := fragmentEnds(sizes, proto.Size(response), s.server.fragmentBytes)
	begin := 0
	for i, end := range ends {
		fragment := &etcdserverpb.WatchResponse{
			Header:   response.GetHeader(),
			WatchId:  response.GetWatchId(),
			Fragment: i < len(ends)-1,
			Events:   events[begin:end],
		}
		if err := s.stream.Send(fragment); err != nil {
			return err
		}
		begin = end
	}
	return nil
}

// sendEncoded sends the events in the encoding that all watches with this batch share.
func (s *watchSender) sendEncoded(w *watch, response *etcdserverpb.WatchResponse, batch *delivery.Batch) error {
	events := batch.Encoded()
	head, err := proto.Marshal(response)
	if err != nil {
		return err
	}
	if !w.fragment || len(head)+len(events) < s.server.fragmentBytes {
		return s.stream.SendMsg(&wire.Encoded{Head: head, Shared: events})
	}
	response.Fragment = true
	headOfFragment, err := proto.Marshal(response)
	if err != nil {
		return err
	}
	sizes := encodedSizes(events)
	ends := fragmentEnds(sizes, len(head), s.server.fragmentBytes)
	begin := 0
	for i, end := range ends {
		size := 0
		for _, event := range sizes[begin:end] {
			size += event
		}
		fragment := &wire.Encoded{Head: headOfFragment, Shared: events[:size]}
		if i == len(ends)-1 {
			fragment.Head = head
		}
		if err := s.stream.SendMsg(fragment); err != nil {
			return err
		}
		begin, events = end, events[size:]
	}
	return nil
}

// encodedSizes returns how many bytes of encoded belong to each event.
func encodedSizes(encoded []byte) []int {
	var sizes []int
	for len(encoded) > 0 {
		n := protowire.ConsumeFieldValue(delivery.EventField, protowire.BytesType, encoded[protowire.SizeTag(delivery.EventField):])
		n += protowire.SizeTag(delivery.EventField)
		sizes = append(sizes, n)
		encoded = encoded[n:]
	}
	return sizes
}

// eventFieldBytes is what an event of so many bytes takes in a WatchResponse.
func eventFieldBytes(size int) int {
	return protowire.SizeTag(delivery.EventField) + protowire.SizeBytes(size)
}

// fragmentMarkBytes is what the flag of a fragment takes in a WatchResponse.
const fragmentMarkBytes = 2

// fragmentEnds cuts events, given by their sizes, into runs that stay below limit together with a head of so many
// bytes. It returns the index after each run's last event. An event that is too large alone is a run by itself, and
// what fits is not cut.
func fragmentEnds(sizes []int, head, limit int) []int {
	total := head
	for _, size := range sizes {
		total += size
	}
	if total < limit || len(sizes) < 2 {
		return []int{len(sizes)}
	}
	var ends []int
	run, begin := head+fragmentMarkBytes, 0
	for i, size := range sizes {
		if i > begin && run+size >= limit {
			ends = append(ends, i)
			run, begin = head+fragmentMarkBytes, i
		}
		run += size
	}
	return append(ends, len(sizes))
}
