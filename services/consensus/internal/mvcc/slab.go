package mvcc

import consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"

// slab cuts many small things from few allocations: the key-values of one answer, and the bytes in them. What it gave
// out is kept alive together, so a slab serves one batch or one answer.
type slab struct {
	bytes []byte
	kvs   []consensusv1.KeyValue
	// chunk is the size of the newest chunk of bytes.
	chunk int
}

const (
	slabBytesMin = 1 << 10
	slabBytesMax = 256 << 10
	slabKVs      = 64
)

// copy returns a copy of b, nil if b is empty.
func (s *slab) copy(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if cap(s.bytes)-len(s.bytes) < len(b) {
		s.chunk = min(max(2*s.chunk, slabBytesMin), slabBytesMax)
		s.bytes = make([]byte, 0, max(s.chunk, len(b)))
	}
	n := len(s.bytes)
	s.bytes = append(s.bytes, b...)
	// The capacity ends with the copy, so that an append by its owner cannot reach the next one.
	return s.bytes[n:len(s.bytes):len(s.bytes)]
}

func (s *slab) keyValue() *consensusv1.KeyValue {
	if len(s.kvs) == 0 {
		s.kvs = make([]consensusv1.KeyValue, slabKVs)
	}
	kv := &s.kvs[0]
	s.kvs = s.kvs[1:]
	return kv
}

// reserve makes room for n key-values, so far as that is sensible.
func (s *slab) reserve(n int) {
	if n = min(n, slabKVs*16); n > len(s.kvs) {
		s.kvs = make([]consensusv1.KeyValue, n)
	}
}

// toKeyValue returns the row as a message that shares no memory with it.
func (s *slab) toKeyValue(r *row, withValue bool) *consensusv1.KeyValue {
	kv := s.keyValue()
	kv.Key = s.copy(r.key)
	kv.CreateRevision, kv.ModRevision, kv.Version, kv.Lease = r.create, r.revision, r.version, r.lease
	if withValue {
		kv.Value = s.copy(r.value)
	}
	return kv
}
