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

// marshal encodes into memory of gRPC's own pool, by way of one that tells when it comes back.
func (h *Held) marshal() (mem.BufferSlice, error) {
	size := proto.Size(h.Message)
	if mem.IsBelowBufferPoolingThreshold(size) {
		// gRPC never says that it has let such a buffer go, and what was read for so little has been let go already: the
		// first of many keys by another order than theirs, say.
		h.Release()
		return standard.Marshal(h.Message)
	}
	pool := &releasing{BufferPool: mem.DefaultBufferPool(), release: h.Release}
	buffer := pool.Get(size)
	encoded, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend((*buffer)[:0], h.Message)
	if err != nil {
		pool.Put(buffer)
		return nil, err
	}
	*buffer = encoded
	// A transport that ends leaves some of what it was to write to the collector.
	runtime.AddCleanup(pool, func(release func()) { release() }, h.Release)
	return mem.BufferSlice{mem.NewBuffer(buffer, pool)}, nil
}

// releasing is the pool that one buffer comes from and goes back to.
type releasing struct {
	mem.BufferPool
	release func()
}

// Put implements mem.BufferPool: gRPC has let the buffer go.
func (r *releasing) Put(buffer *[]byte) {
	r.BufferPool.Put(buffer)
	r.release()
}
