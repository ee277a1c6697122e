package wire

import (
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Large ranges are encoded by hand: half of the time went into looking at the fields of each key-value by their descriptions. The bytes are
// those of proto.Marshal.

// Tags of the fields of a RangeResponse, and of a KeyValue's.
const (
	tagHeader = 1<<3 | byte(protowire.BytesType)
	tagKvs    = 2<<3 | byte(protowire.BytesType)
	tagMore   = 3<<3 | byte(protowire.VarintType)
	tagCount  = 4<<3 | byte(protowire.VarintType)

	tagKey     = 1<<3 | byte(protowire.BytesType)
	tagCreate  = 2<<3 | byte(protowire.VarintType)
	tagMod     = 3<<3 | byte(protowire.VarintType)
	tagVersion = 4<<3 | byte(protowire.VarintType)
	tagValue   = 5<<3 | byte(protowire.BytesType)
	tagLease   = 6<<3 | byte(protowire.VarintType)
)

// known tells whether an answer has only the fields that are encoded here: what a newer server answers through a proxy may have others.
func known(r *etcdserverpb.RangeResponse) bool {
	if len(r.ProtoReflect().GetUnknown()) > 0 {
		return false
	}
	for _, kv := range r.GetKvs() {
		if kv == nil || len(kv.ProtoReflect().GetUnknown()) > 0 {
			return false
		}
	}
	return true
}

// sizeOfRange is how many bytes appendRange appends at the most.
func sizeOfRange(r *etcdserverpb.RangeResponse) int {
	size := proto.Size(r.GetHeader()) + 3*protowire.SizeVarint(1<<63)
	for _, kv := range r.GetKvs() {
		size += 1 + protowire.SizeBytes(sizeOfKeyValue(kv))
	}
	return size
}

// appendRange appends an answer whose fields are known.
func appendRange(b []byte, r *etcdserverpb.RangeResponse) []byte {
	if r.Header != nil {
		header, _ := proto.Marshal(r.GetHeader()) // of numbers alone: it cannot fail
		b = protowire.AppendBytes(append(b, tagHeader), header)
	}
	for _, kv := range r.GetKvs() {
		b = appendKeyValue(protowire.AppendVarint(append(b, tagKvs), uint64(sizeOfKeyValue(kv))), kv)
	}
	if r.GetMore() {
		b = append(b, tagMore, 1)
	}
	return appendNumber(b, tagCount, r.GetCount())
}

func sizeOfKeyValue(kv *mvccpb.KeyValue) int {
	return sizeOfBytes(kv.GetKey()) + sizeOfNumber(kv.GetCreateRevision()) + sizeOfNumber(kv.GetModRevision()) +
		sizeOfNumber(kv.GetVersion()) + sizeOfBytes(kv.GetValue()) + sizeOfNumber(kv.GetLease())
}

func appendKeyValue(b []byte, kv *mvccpb.KeyValue) []byte {
	b = appendBytes(b, tagKey, kv.GetKey())
	b = appendNumber(b, tagCreate, kv.GetCreateRevision())
	b = appendNumber(b, tagMod, kv.GetModRevision())
	b = appendNumber(b, tagVersion, kv.GetVersion())
	b = appendBytes(b, tagValue, kv.GetValue())
	return appendNumber(b, tagLease, kv.GetLease())
}

// A field that is zero, or empty, is left out.

func sizeOfNumber(n int64) int {
	if n == 0 {
		return 0
	}
	return 1 + protowire.SizeVarint(uint64(n))
}

func appendNumber(b []byte, tag byte, n int64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(append(b, tag), uint64(n))
}

func sizeOfBytes(v []byte) int {
	if len(v) == 0 {
		return 0
	}
	return 1 + protowire.SizeBytes(len(v))
}

func appendBytes(b []byte, tag byte, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return protowire.AppendBytes(append(b, tag), v)
}
