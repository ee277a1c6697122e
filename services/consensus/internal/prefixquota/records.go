package prefixquota

import (
	"encoding/binary"
	"errors"
	"strings"

	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// A quota has two records in the store, each named with its prefix: what was set, which seldom changes, and what is in use.
const (
	recordSpec = "quota/spec/"
	recordUse  = "quota/use/"
)

// Rows are where the records are kept. See mvcc.Batch.
type Rows interface {
	SetRecord(name string, old, value []byte)
	DropRecord(name string, old []byte)
}

// UseRecord names the record of what is in use of a quota.
func UseRecord(prefix []byte) string { return recordUse + string(prefix) }

// IsRecord tells whether a record of the store is of quotas.
func IsRecord(name string) bool {
	return strings.HasPrefix(name, recordSpec) || strings.HasPrefix(name, recordUse)
}

var errBadUse = errors.New("what is in use of a quota has 16 bytes")

func encodeUse(u Use) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(u.Keys))
	return binary.BigEndian.AppendUint64(b, uint64(u.Bytes))
}

func decodeUse(b []byte) (Use, error) {
	if len(b) != 16 {
		return Use{}, errBadUse
	}
	return Use{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))}, nil
}

// encodeSpec is never nil: records that exist have a value.
func encodeSpec(spec *consensusv1.PrefixQuota) []byte {
	// It has no maps, required fields or strings.
	b, _ := proto.MarshalOptions{Deterministic: true}.MarshalAppend([]byte{}, spec)
	return b
}

// Before makes the sum of what is there now, and what the use record said at the same moment, the sum as of the revision from which the
// quota is counted.
func Before(now Use, useRecord []byte) (Use, error) {
	since, err := decodeUse(useRecord)
	if err != nil {
		return Use{}, err
	}
	return Use{now.Keys - since.Keys, now.Bytes - since.Bytes}, nil
}
