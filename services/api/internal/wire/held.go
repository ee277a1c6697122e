package wire

import (
	"math/bits"
	"runtime"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
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
	// Encoded is called when the message is encoded: it is not read any more.
	Encoded func()
}

func (h *Held) marshal() (mem.BufferSlice, error) {
	data, err := h.encode()
	if err == nil {
		h.Encoded()
	}
	return data, err
}

// encode encodes into memory of a pool, by way of one that tells when it comes back.
func (h *Held) encode() (mem.BufferSlice, error) {
	ranged, encodable := h.Message.(*etcdserverpb.RangeResponse)
	encodable = encodable && known(ranged)
	size := 0
	if encodable {
		size = sizeOfRange(ranged)
	} else {
		size = proto.Size(h.Message)
	}
	if mem.IsBelowBufferPoolingThreshold(size) {
		// gRPC never says that it has let such a buffer go, and what was read for so little has been let go already: the
		// first of many keys by another order than theirs, say.
		h.Release()
		return standard.Marshal(h.Message)
	}
	pool := &releasing{release: h.Release}
	buffer := pool.Get(size)
	var err error
	if encodable {
		*buffer = appendRange((*buffer)[:0], ranged)
	} else {
		*buffer, err = proto.MarshalOptions{UseCachedSize: true}.MarshalAppend((*buffer)[:0], h.Message)
	}
	if err != nil {
		pool.Put(buffer)
		return nil, err
	}
	// A transport that ends leaves some of what it was to write to the collector.
	runtime.AddCleanup(pool, func(release func()) { release() }, h.Release)
	return mem.BufferSlice{mem.NewBuffer(buffer, pool)}, nil
}

// pooledMax is how large buffers may be that are kept, and rounded up: what an answer takes beyond is what it was given room for.
const pooledMax = 4 << 20

// buffers holds buffers whose sizes are powers of two, by their exponents. gRPC's own pool clears a buffer before it gives it out again, which
// takes as long as filling it.
var buffers [bits.UintSize]sync.Pool

// releasing is the pool that one buffer comes from and goes back to.
type releasing struct {
	release func()
}

// Get implements mem.BufferPool. What is in the buffer is to be overwritten.
func (r *releasing) Get(size int) *[]byte {
	if size > pooledMax {
		buffer := make([]byte, size)
		return &buffer
	}
	exponent := bits.Len(uint(size - 1))
	if buffer, ok := buffers[exponent].Get().(*[]byte); ok {
		*buffer = (*buffer)[:size]
		return buffer
	}
	buffer := make([]byte, size, 1<<exponent)
	return &buffer
}

// Put implements mem.BufferPool: gRPC has let the buffer go.
func (r *releasing) Put(buffer *[]byte) {
	if n := cap(*buffer); n <= pooledMax && n&(n-1) == 0 {
		buffers[bits.Len(uint(n-1))].Put(buffer)
	}
	r.release()
}
