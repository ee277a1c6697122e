package auth

import (
	"encoding/binary"

	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Records of the store are named by what they are of.
const (
	recordSettings = "auth/settings"
	prefixUser     = "auth/user/"
	prefixRole     = "auth/role/"
	prefixUse      = "auth/use/"
)

// encode is never nil: records that exist have a value.
func encode(m proto.Message) []byte {
	// These messages have no maps, required fields or strings that did not arrive as such.
	b, _ := proto.MarshalOptions{Deterministic: true}.MarshalAppend([]byte{}, m)
	return b
}

// writeRecord writes what a user or a role has become; nil stands for none.
func writeRecord[M interface {
	comparable
	proto.Message
}](rows Rows, name string, old, value M) {
	var none M
	switch {
	case value != none && old != none:
		rows.SetRecord(name, encode(old), encode(value))
	case value != none:
		rows.SetRecord(name, nil, encode(value))
	case old != none:
		rows.DropRecord(name, encode(old))
	}
}

func encodeUse(id string, end int64) []byte {
	return encode(&consensusv1.TokenUse{Id: []byte(id), Expiration: end})
}

func useRecord(id string) string { return prefixUse + id }

// endingKey orders tokens by their end.
func endingKey(end int64, id string) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(end))) + id
}

func splitEndingKey(key string) (end int64, id string) {
	return int64(binary.BigEndian.Uint64([]byte(key[:8]))), key[8:]
}
