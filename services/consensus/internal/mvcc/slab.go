package mvcc

import (
	"slices"
	"strings"
	"sync"
	"unsafe"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// slab cuts many small things from few allocations: the key-values of one answer, and the bytes in them. What it gave
// out is kept alive together, so a slab serves one batch or one answer.
type slab struct {
	// bytes is the newest chunk.
	bytes []byte
	kvs   []mvccpb.KeyValue
	// pooled says that the largest chunks come from a pool, and taken are those: see reuse.
	pooled bool
	taken  []*[slabBytesMax]byte
	// bytesChunk and kvsChunk are the sizes of the newest chunks, which grow: most answers are small.
	bytesChunk, kvsChunk int
}

const (
	slabBytesMin = 1 << 10
	slabBytesMax = 64 << 10
	slabKVsMax   = 64
	// slabReservedMax bounds what is allocated for an answer before anything of it is known.
	slabReservedMax = 1024
)

// copy returns a copy of b, nil if b is empty.
func (s *slab) copy(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if cap(s.bytes)-len(s.bytes) < len(b) {
		s.bytesChunk = min(max(2*s.bytesChunk, slabBytesMin), slabBytesMax)
		if 4*len(b) > s.bytesChunk {
			// What is large goes alone, so that it neither wastes a chunk nor is kept by its neighbours.
			return slices.Clip(append([]byte(nil), b...))
		}
		s.grow(s.bytesChunk)
	}
	n := len(s.bytes)
	s.bytes = append(s.bytes, b...)
	// The capacity ends with the copy, so that an append by its owner cannot reach the next one.
	return s.bytes[n:len(s.bytes):len(s.bytes)]
}

// slabChunks are chunks of slabBytesMax that nobody uses.
var slabChunks sync.Pool

// grow begins a chunk of n bytes.
func (s *slab) grow(n int) {
	if !s.pooled || n != slabBytesMax {
		s.bytes = uncleared(n)
		return
	}
	chunk, ok := slabChunks.Get().(*[slabBytesMax]byte)
	if !ok {
		chunk = (*[slabBytesMax]byte)(uncleared(slabBytesMax)[:slabBytesMax])
	}
	s.taken = append(s.taken, chunk)
	s.bytes = chunk[:0]
}

// uncleared returns room for n bytes and more, by way of a builder, whose memory is not cleared before it is written: for large answers that took as
// long as copying.
func uncleared(n int) []byte {
	var b strings.Builder
	b.Grow(n)
	b.WriteByte(0) // where an empty string begins is nowhere said
	return unsafe.Slice(unsafe.StringData(b.String()), b.Cap())[:0]
}

// reuse gives the chunks that came from the pool back. Nothing that the slab gave out may be used any more.
func (s *slab) reuse() {
	for _, chunk := range s.taken {
		slabChunks.Put(chunk)
	}
	s.taken = nil
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
