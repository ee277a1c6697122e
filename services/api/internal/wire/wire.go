// Package wire carries messages to gRPC clients that are encoded already, so that what many watchers get is encoded
// once. It knows the framing of grpc-go's codecs and nothing of what the bytes mean.
package wire

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Encoded is one protobuf message in its wire form, in two pieces that are sent one after the other. A server whose
// codec is Codec takes an *Encoded wherever it takes a message. Neither piece may change any more: gRPC still reads
// them after SendMsg has returned. An Encoded is sent once.
type Encoded struct {
	// Head belongs to this message alone.
	Head mem.SliceBuffer
	// Shared may be sent in any number of messages at the same time; it may be empty.
	Shared mem.SliceBuffer
	// pieces are both as gRPC takes them, by their addresses: neither is an allocation of its own.
	pieces [2]mem.Buffer
}

// Codec is grpc-go's protobuf codec, except that it passes an *Encoded on as it is, and tells when a *Held was written. Hand it to a server with
// grpc.ForceServerCodecV2. It has no state.
type Codec struct{}

var _ encoding.CodecV2 = Codec{}

// standard pools its buffers and takes every message of either protobuf API.
var standard = encoding.GetCodecV2(proto.Name)

// Marshal implements encoding.CodecV2.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	if held, ok := v.(*Held); ok {
		return held.marshal()
	}
	encoded, ok := v.(*Encoded)
	if !ok {
		return standard.Marshal(v)
	}
	// A SliceBuffer counts no references: the pieces go back to the garbage collector, not to a pool.
	pieces := append(encoded.pieces[:0], &encoded.Head)
	if len(encoded.Shared) > 0 {
		pieces = append(pieces, &encoded.Shared)
	}
	return pieces, nil
}

// Unmarshal implements encoding.CodecV2.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error { return standard.Unmarshal(data, v) }

// Name implements encoding.CodecV2. It is the standard codec's: the bytes on the wire are the same.
func (Codec) Name() string { return proto.Name }
