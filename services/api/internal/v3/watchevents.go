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
		id := s.answering(d.Revision)
		head := id.head(d.Revision, w.id)
		head.memberID = s.server.member(id)
		return s.sendEncoded(w, head, d.Batch)
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
func (s *watchSender) sendEncoded(w *watch, head watchHead, batch *delivery.Batch) error {
	events := batch.Encoded()
	whole := head.response(events)
	if !w.fragment || len(whole.Head)+len(events) < s.server.fragmentBytes {
		return s.stream.SendMsg(whole)
	}
	sizes := encodedSizes(events)
	ends := fragmentEnds(sizes, len(whole.Head), s.server.fragmentBytes)
	begin := 0
	for i, end := range ends {
		size := 0
		for _, event := range sizes[begin:end] {
			size += event
		}
		head.fragment = i < len(ends)-1
		if err := s.stream.SendMsg(head.response(events[:size])); err != nil {
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

// watchHead is a WatchResponse without its events. Each delivery to each watch has one of its own, so it is a value, and encoded by hand.
type watchHead struct {
	clusterID, memberID, term uint64
	revision, watchID         int64
	fragment                  bool
}

// head returns the head of what a watch is told up to a revision.
func (id *identity) head(revision, watchID int64) watchHead {
	return watchHead{clusterID: id.clusterID, memberID: id.memberID, term: id.term.Load(), revision: revision, watchID: watchID}
}

// response returns the encoded response with these events. It is one allocation.
func (h watchHead) response(events []byte) *wire.Encoded {
	made := new(struct {
		wire.Encoded
		room [headBytesMax]byte
	})
	made.Head = h.appendTo(made.room[:0])
	made.Shared = events
	return &made.Encoded
}

// appendTo encodes the head as proto.Marshal does.
func (h watchHead) appendTo(head []byte) []byte {
	head = protowire.AppendTag(head, fieldHeader, protowire.BytesType)
	length := len(head)
	head = append(head, 0) // the length, below 128
	head = appendNumber(head, fieldClusterID, h.clusterID)
	head = appendNumber(head, fieldMemberID, h.memberID)
	head = appendNumber(head, fieldRevision, uint64(h.revision))
	head = appendNumber(head, fieldRaftTerm, h.term)
	head[length] = byte(len(head) - length - 1)
	head = appendNumber(head, fieldWatchID, uint64(h.watchID))
	return appendNumber(head, fieldFragment, protowire.EncodeBool(h.fragment))
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
