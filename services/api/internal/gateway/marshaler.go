package gateway

import (
	"bytes"
	"io"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/protobuf/encoding/protojson"
)

// marshaler is grpc-gateway's, with a bound on what one message may take to read, and fields that are shown when they are 0.
type marshaler struct {
	*runtime.HTTPBodyMarshaler
	jsonBytesMax int64
}

var _ runtime.Marshaler = &marshaler{}

func newMarshaler(jsonBytesMax int64) *marshaler {
	return &marshaler{
		HTTPBodyMarshaler: &runtime.HTTPBodyMarshaler{
			Marshaler: &runtime.JSONPb{
				MarshalOptions:   protojson.MarshalOptions{UseProtoNames: true},
				UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: true},
			},
		},
		jsonBytesMax: jsonBytesMax,
	}
}

// Marshal implements runtime.Marshaler. JSON leaves zeros out. Those that etcd never has are shown here, because its clients look
// for them: the hash of an empty store, and the quota of one that has none.
func (m *marshaler) Marshal(v any) ([]byte, error) {
	encoded, err := m.HTTPBodyMarshaler.Marshal(v)
	if err != nil {
		return nil, err
	}
	switch answer := v.(type) {
	case *etcdserverpb.HashResponse:
		return withZero(encoded, answer.GetHash() == 0, `"hash":0`), nil
	case *etcdserverpb.HashKVResponse:
		return withZero(encoded, answer.GetHash() == 0, `"hash":0`), nil
	case *etcdserverpb.StatusResponse:
		return withZero(encoded, answer.GetDbSizeQuota() == 0, `"dbSizeQuota":"0"`), nil
	default:
		return encoded, nil
	}
}

// withZero adds a field to an object that has none of its name.
func withZero(object []byte, missing bool, field string) []byte {
	rest, ok := bytes.CutSuffix(object, []byte("}"))
	if !missing || !ok {
		return object
	}
	if len(rest) > 1 {
		field = "," + field
	}
	return append(append(rest, field...), '}')
}

// NewDecoder implements runtime.Marshaler.
func (m *marshaler) NewDecoder(r io.Reader) runtime.Decoder {
	bounded := &boundedReader{Reader: r}
	decoder := m.HTTPBodyMarshaler.NewDecoder(bounded)
	return runtime.DecoderFunc(func(v any) error {
		bounded.left = m.jsonBytesMax
		return decoder.Decode(v)
	})
}

// boundedReader fails once it was read for more than is left.
type boundedReader struct {
	io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, rpctypes.ErrRequestTooLarge
	}
	n, err := b.Reader.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
