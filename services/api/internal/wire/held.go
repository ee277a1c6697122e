package wire

import (
	"runtime"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// Held is a message whose memory somebody counts until it is on its way through the socket. A server whose codec is Codec
// takes a *Held wherever it takes a message.
type Held struct {
	Message proto.Message
	// Release is called once gRPC needs the encoded message no longer: it was written, or its stream has ended; a message too
	// small to count is released as soon as it is encoded. It may be called more than once.
	Release func()
}

// marshal encodes into memory that is not pooled, so that its end can be told.
func (h *Held) marshal() (mem.BufferSlice, error) {
	encoded, err := proto.Marshal(h.Message)
	if err != nil {
		h.Release()
		return nil, err
	}
	if mem.IsBelowBufferPoolingThreshold(cap(encoded)) {
		// gRPC never says that it has let such a buffer go, and what was read for so little has been let go already: the
		// first of many keys by another order than theirs, say.
		h.Release()
		return mem.BufferSlice{mem.SliceBuffer(encoded)}, nil
	}
	buffer := mem.NewBuffer(&encoded, releasing{h.Release})
	// A transport that ends leaves some of what it was to write to the collector.
	runtime.AddCleanup(&encoded[0], func(release func()) { release() }, h.Release)
	return mem.BufferSlice{buffer}, nil
}

// releasing is a pool of one buffer that nobody uses again.
type releasing struct{ release func() }

var _ mem.BufferPool = releasing{}

// Get implements mem.BufferPool. Nothing comes from such a pool.
func (releasing) Get(length int) *[]byte {
	fresh := make([]byte, length)
	return &fresh
}

// Put implements mem.BufferPool: gRPC has let the buffer go.
func (r releasing) Put(*[]byte) { r.release() }
