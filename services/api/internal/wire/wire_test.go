package wire_test

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/quoratedb/quorate/services/api/internal/wire"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// TestCodecIsTheStandardOneForMessages sends an ordinary message through the codec and back.
func TestCodecIsTheStandardOneForMessages(t *testing.T) {
	put := &etcdserverpb.PutRequest{Key: []byte("k"), Value: make([]byte, 4096), Lease: 7}
	data, err := wire.Codec{}.Marshal(put)
	require.NoError(t, err)
	want, err := proto.Marshal(put)
	require.NoError(t, err)
	require.Equal(t, want, data.Materialize())

	var got etcdserverpb.PutRequest
	require.NoError(t, wire.Codec{}.Unmarshal(data, &got))
	require.True(t, proto.Equal(put, &got))
	require.Equal(t, "proto", wire.Codec{}.Name())

	_, err = wire.Codec{}.Marshal("no message")
	require.Error(t, err)
}

// TestEncodedPassesUnchanged checks that both pieces arrive in order and that freeing them, as gRPC does, leaves the
// shared one intact for the next message.
func TestEncodedPassesUnchanged(t *testing.T) {
	shared := []byte("shared")
	for range 2 {
		data, err := wire.Codec{}.Marshal(&wire.Encoded{Head: []byte("head"), Shared: shared})
		require.NoError(t, err)
		require.Equal(t, "headshared", string(data.Materialize()))
		data.Free()
	}
	head := mem.SliceBuffer("head")
	data, err := wire.Codec{}.Marshal(&wire.Encoded{Head: head})
	require.NoError(t, err)
	require.Equal(t, mem.BufferSlice{&head}, data)
}

// TestHeldTellsWhenItWasWritten frees an encoded message, as gRPC does once it is written, and looks for the release.
func TestHeldTellsWhenItWasWritten(t *testing.T) {
	released := 0
	message := &etcdserverpb.PutRequest{Key: []byte("k"), Value: make([]byte, 64<<10)}
	data, err := wire.Codec{}.Marshal(&wire.Held{Message: message, Release: func() { released++ }, Encoded: func() {}})
	require.NoError(t, err)
	want, err := proto.Marshal(message)
	require.NoError(t, err)
	require.Equal(t, want, data.Materialize())
	require.Zero(t, released)
	data.Free()
	require.Equal(t, 1, released)
}

// Goal: what a message is made of may be used again as soon as that is said. Method: messages of several sizes and kinds, all of whose bytes change
// when it is.
func TestHeldIsNotReadOnceEncoded(t *testing.T) {
	for _, size := range []int{1, 500, 64 << 10, 5 << 20} {
		value := bytes.Repeat([]byte("a"), size)
		for _, message := range []proto.Message{
			&etcdserverpb.RangeResponse{Kvs: []*mvccpb.KeyValue{{Key: []byte("k"), Value: value}}},
			&etcdserverpb.PutRequest{Key: []byte("k"), Value: value},
		} {
			want, err := proto.Marshal(message)
			require.NoError(t, err)
			encoded := 0
			data, err := wire.Codec{}.Marshal(&wire.Held{Message: message, Release: func() {}, Encoded: func() {
				encoded++
				copy(value, bytes.Repeat([]byte("b"), size))
			}})
			require.NoError(t, err)
			require.Equal(t, 1, encoded)
			require.True(t, bytes.Equal(want, data.Materialize()))
			copy(value, bytes.Repeat([]byte("a"), size))
		}
	}
}

// Goal: an answer for which much was read and of which little is left gives its room back, although gRPC does not tell when it
// was written: reads waited for the collector, and a client that had taken all was dropped. Method: encode a small one.
func TestSmallHeldIsReleasedAtOnce(t *testing.T) {
	released := 0
	message := &etcdserverpb.RangeResponse{Count: 7}
	data, err := wire.Codec{}.Marshal(&wire.Held{Message: message, Release: func() { released++ }, Encoded: func() {}})
	require.NoError(t, err)
	require.Equal(t, 1, released)
	want, err := proto.Marshal(message)
	require.NoError(t, err)
	require.Equal(t, want, data.Materialize())
}

// Goal: ranges that are encoded by hand are what protobuf makes of them, whatever fields they have, and buffers that were used before leave nothing in
// them. Method: ranges of random key-values, also with fields that are not known here, both ways.
func TestRangesAreEncodedAsByProtobuf(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	number := func() int64 { return []int64{0, 1, 127, 128, 1 << 40, -1}[r.IntN(6)] }
	for i := range 100 {
		message := &etcdserverpb.RangeResponse{More: r.IntN(2) == 0, Count: number()}
		if r.IntN(4) > 0 {
			message.Header = &etcdserverpb.ResponseHeader{ClusterId: uint64(number()), Revision: number(), RaftTerm: uint64(number())}
		}
		for range r.IntN(60) {
			message.Kvs = append(message.Kvs, &mvccpb.KeyValue{
				Key: bytes.Repeat([]byte("k"), r.IntN(200)), Value: bytes.Repeat([]byte{byte(i)}, r.IntN(3)*r.IntN(3000)),
				CreateRevision: number(), ModRevision: number(), Version: number(), Lease: number(),
			})
		}
		if n := len(message.Kvs); n > 0 && i%10 == 0 {
			message.Kvs[r.IntN(n)].ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 7))
		}
		if i%17 == 0 {
			message.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 98, protowire.VarintType), 7))
		}
		released := false
		data, err := wire.Codec{}.Marshal(&wire.Held{Message: message, Release: func() { released = true }, Encoded: func() {}})
		require.NoError(t, err)
		want, err := proto.Marshal(message)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, data.Materialize()), "range %d", i)
		data.Free()
		require.True(t, released)
	}
}

// Goal: a large answer takes the memory that it was given room for, and no more for being kept afterwards. Method: one just above a power of two.
func TestLargeAnswerTakesItsSize(t *testing.T) {
	const size = 8<<20 + 1
	message := &etcdserverpb.RangeResponse{Kvs: []*mvccpb.KeyValue{{Value: make([]byte, size)}}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	data, err := wire.Codec{}.Marshal(&wire.Held{Message: message, Release: func() {}, Encoded: func() {}})
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	data.Free()
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(size+size/8))
}
