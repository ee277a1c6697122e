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
	if s.encoded {
		return s.sendEncoded(w, s.header(d.Revision), d.Batch)
	}
	response := &etcdserverpb.WatchResponse{Header: s.header(d.Revision), WatchId: w.id}
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
func (s *watchSender) sendEncoded(w *watch, header *etcdserverpb.ResponseHeader, batch *delivery.Batch) error {
	events := batch.Encoded()
	head := encodeHead(header, w.id, false)
	if !w.fragment || len(head)+len(events) < s.server.fragmentBytes {
		return s.stream.SendMsg(&wire.Encoded{Head: head, Shared: events})
	}
	headOfFragment := encodeHead(header, w.id, true)
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

// The numbers of the fields of a WatchResponse before its events, and of its header's.
const (
	fieldHeader   protowire.Number = 1
	fieldWatchID  protowire.Number = 2
	fieldFragment protowire.Number = 7

	fieldClusterID protowire.Number = 1
	fieldMemberID  protowire.Number = 2
	fieldRevision  protowire.Number = 3
	fieldRaftTerm  protowire.Number = 4
)

// headBytesMax is what a head may take: four numbers of ten bytes in a header, and one of the watch, a byte before each, and
// the fragment's two.
const headBytesMax = 2 + 4*11 + 11 + 2

// encodeHead encodes a WatchResponse without its events, as proto.Marshal does. It is done by hand as each delivery to each watch
// has one of its own: half of what the sender takes for it is saved.
func encodeHead(header *etcdserverpb.ResponseHeader, watchID int64, fragment bool) []byte {
	head := protowire.AppendTag(make([]byte, 0, headBytesMax), fieldHeader, protowire.BytesType)
	length := len(head)
	head = append(head, 0) // the length, below 128
	head = appendNumber(head, fieldClusterID, header.GetClusterId())
	head = appendNumber(head, fieldMemberID, header.GetMemberId())
	head = appendNumber(head, fieldRevision, uint64(header.GetRevision()))
	head = appendNumber(head, fieldRaftTerm, header.GetRaftTerm())
	head[length] = byte(len(head) - length - 1)
	head = appendNumber(head, fieldWatchID, uint64(watchID))
	return appendNumber(head, fieldFragment, protowire.EncodeBool(fragment))
}

// appendNumber appends a field, which is left out if it is zero.
func appendNumber(b []byte, field protowire.Number, value uint64) []byte {
	if value == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), value)
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
