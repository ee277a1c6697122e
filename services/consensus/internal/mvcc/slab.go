package mvcc

import (
	"slices"
	"strings"
	"unsafe"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// slab cuts many small things from few allocations: the key-values of one answer, and the bytes in them. What it gave
// out is kept alive together, so a slab serves one batch or one answer.
type slab struct {
	// bytes is the newest chunk. A builder, because its memory is not cleared before it is written: for large answers that took as
	// long as copying.
	bytes strings.Builder
	kvs   []mvccpb.KeyValue
	// bytesChunk and kvsChunk are the sizes of the newest chunks, which grow: most answers are small.
	bytesChunk, kvsChunk int
}

const (
	slabBytesMin = 1 << 10
	slabBytesMax = 256 << 10
	slabKVsMax   = 64
	// slabReservedMax bounds what is allocated for an answer before anything of it is known.
	slabReservedMax = 1024
)

// copy returns a copy of b, nil if b is empty.
func (s *slab) copy(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if s.bytes.Cap()-s.bytes.Len() < len(b) {
		s.bytesChunk = min(max(2*s.bytesChunk, slabBytesMin), slabBytesMax)
		if 4*len(b) > s.bytesChunk {
			// What is large goes alone, so that it neither wastes a chunk nor is kept by its neighbours.
			return slices.Clip(append([]byte(nil), b...))
		}
		s.grow(s.bytesChunk)
	}
	n := s.bytes.Len()
	s.bytes.Write(b)
	// The capacity ends with the copy, so that an append by its owner cannot reach the next one.
	return unsafe.Slice(unsafe.StringData(s.bytes.String()[n:]), len(b))
}

// grow begins a chunk of n bytes.
func (s *slab) grow(n int) {
	s.bytes = strings.Builder{}
	s.bytes.Grow(n)
}

func (s *slab) keyValue() *mvccpb.KeyValue {
	if len(s.kvs) == 0 {
		s.kvsChunk = min(max(2*s.kvsChunk, 1), slabKVsMax)
		s.kvs = make([]mvccpb.KeyValue, s.kvsChunk)
	}
	kv := &s.kvs[0]
	s.kvs = s.kvs[1:]
	return kv
}

// reserve makes room for n key-values, so far as that is sensible.
func (s *slab) reserve(n int) {
	if n = min(n, slabReservedMax); n > len(s.kvs) {
		s.kvs = make([]mvccpb.KeyValue, n)
	}
}

// toKeyValue returns the row as a message that shares no memory with it. Without its value it has no lease either, as in etcd, which answers that
// from its index.
func (s *slab) toKeyValue(r *Row, withValue bool) *mvccpb.KeyValue {
	kv := s.keyValue()
	kv.Key = s.copy(r.Key)
	kv.CreateRevision, kv.ModRevision, kv.Version = r.Create, r.Revision, r.Version
	if withValue {
		kv.Value, kv.Lease = s.copy(r.Value), r.Lease
	}
	return kv
}
