package mvcc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The store is one ordered key space, cut into spaces by the first byte. A key of Pebble's is a prefix that ends in a
// zero byte, and in the space of versions a suffix that orders the versions of one key, newest first:
//
//	v foo 00 [revision 8 bytes, 09]   one version of the key foo
//	c foo 00                          a bucket of the index of counts, which begins with foo
//	h [revision 8 bytes] [sub 4 bytes] 00   what a revision did to one key
//	l [lease 8 bytes] 00              a lease
//	k [lease 8 bytes] foo 00          foo is attached to the lease
//	n [member 8 bytes] [type] 00      a raised alarm
//	a name 00                         a record, see records.go
//	m name 00                         one of a kind: the format's version, positions, and what the member keeps under a name
//	d /a/b 00                         the record of the directory /a/b of the tree
//	s [revision 8 bytes] 00           what was replaced and spent up to a revision, see usage.go
//	t [revision 8 bytes] 00           when the revision was made, see times.go
//	e [time 8 bytes] [kind] /a/b 00   when the directory (kind 1) or file (kind 0) /a/b of the tree ends
//
// All numbers are big-endian, so that bytes order as numbers do. The trailing zero byte is what lets keys hold any bytes
// and still be told from their suffix: see cockroachkvs, whose comparer and column layout this is. A key changes at most
// once in a revision, so the revision alone tells its versions apart; the sub-revision stands in the version's record.
type space byte

const (
	spaceRecord     space = 'a'
	spaceCount      space = 'c'
	spaceDir        space = 'd'
	spaceExpiry     space = 'e'
	spaceHistory    space = 'h'
	spaceAttachment space = 'k'
	spaceLease      space = 'l'
	spaceMeta       space = 'm'
	spaceAlarm      space = 'n'
	spaceMark       space = 's'
	spaceTime       space = 't'
	spaceVersion    space = 'v'
)

// versionSuffixBytes is the length of a version's suffix: a revision and the length byte that ends it.
const versionSuffixBytes = 8 + 1

var errBadKey = errors.New("malformed key")

// bounds returns the lowest key of the space and the lowest above it.
func (s space) bounds() (lower, upper []byte) {
	return []byte{byte(s), 0}, []byte{byte(s) + 1, 0}
}

// appendVersionPrefix appends what all versions of key begin with; as a key of its own it sorts before them all.
func appendVersionPrefix(dst, key []byte) []byte {
	dst = append(dst, byte(spaceVersion))
	dst = append(dst, key...)
	return append(dst, 0)
}

func appendVersionKey(dst, key []byte, revision int64) []byte {
	dst = appendVersionPrefix(dst, key)
	dst = binary.BigEndian.AppendUint64(dst, uint64(revision))
	return append(dst, versionSuffixBytes)
}

// splitVersionKey is the inverse of appendVersionKey. The key aliases k.
func splitVersionKey(k []byte) (key []byte, revision int64, err error) {
	n := len(k) - versionSuffixBytes - 1
	if n < 1 || k[0] != byte(spaceVersion) || k[n] != 0 || k[len(k)-1] != versionSuffixBytes {
		return nil, 0, fmt.Errorf("version %x: %w", k, errBadKey)
	}
	return k[1:n], int64(binary.BigEndian.Uint64(k[n+1:])), nil
}

func appendHistoryKey(dst []byte, revision, sub int64) []byte {
	dst = append(dst, byte(spaceHistory))
	dst = binary.BigEndian.AppendUint64(dst, uint64(revision))
	dst = binary.BigEndian.AppendUint32(dst, uint32(sub))
	return append(dst, 0)
}

func splitHistoryKey(k []byte) (revision, sub int64, err error) {
	if len(k) != 1+8+4+1 || k[0] != byte(spaceHistory) || k[len(k)-1] != 0 {
		return 0, 0, fmt.Errorf("history %x: %w", k, errBadKey)
	}
	return int64(binary.BigEndian.Uint64(k[1:])), int64(binary.BigEndian.Uint32(k[9:])), nil
}

func appendLeaseKey(dst []byte, id int64) []byte {
	dst = append(dst, byte(spaceLease))
	dst = binary.BigEndian.AppendUint64(dst, uint64(id))
	return append(dst, 0)
}

func splitLeaseKey(k []byte) (id int64, err error) {
	if len(k) != 1+8+1 || k[0] != byte(spaceLease) || k[len(k)-1] != 0 {
		return 0, fmt.Errorf("lease %x: %w", k, errBadKey)
	}
	return int64(binary.BigEndian.Uint64(k[1:])), nil
}

func appendAttachmentKey(dst []byte, lease int64, key []byte) []byte {
	dst = append(dst, byte(spaceAttachment))
	dst = binary.BigEndian.AppendUint64(dst, uint64(lease))
	dst = append(dst, key...)
	return append(dst, 0)
}

// attachmentBounds returns the lowest attachment of a lease and the lowest key above them.
func attachmentBounds(lease int64) (lower, upper []byte) {
	lower = appendAttachmentKey(nil, lease, nil)
	if lease == -1 {
		return lower, []byte{byte(spaceAttachment) + 1, 0}
	}
	return lower, appendAttachmentKey(nil, lease+1, nil)
}

func splitAttachmentKey(k []byte) (lease int64, key []byte, err error) {
	if len(k) < 1+8+1 || k[0] != byte(spaceAttachment) || k[len(k)-1] != 0 {
		return 0, nil, fmt.Errorf("attachment %x: %w", k, errBadKey)
	}
	return int64(binary.BigEndian.Uint64(k[1:])), k[9 : len(k)-1], nil
}

func appendAlarmKey(dst []byte, member uint64, kind int32) []byte {
	dst = append(dst, byte(spaceAlarm))
	dst = binary.BigEndian.AppendUint64(dst, member)
	return append(dst, byte(kind), 0)
}

func splitAlarmKey(k []byte) (member uint64, kind int32, err error) {
	if len(k) != 1+8+1+1 || k[0] != byte(spaceAlarm) || k[len(k)-1] != 0 {
		return 0, 0, fmt.Errorf("alarm %x: %w", k, errBadKey)
	}
	return binary.BigEndian.Uint64(k[1:]), int32(k[9]), nil
}

func appendMetaKey(dst []byte, name string) []byte {
	dst = append(dst, byte(spaceMeta))
	dst = append(dst, name...)
	return append(dst, 0)
}

// Span is a stretch of client keys: one key, or all from low up to but without high.
type Span struct {
	low, high []byte
	// single: low alone. unbounded: there is no high.
	single, unbounded bool
}

// NewSpan reads a key and range end as requests carry them: no end means the key alone, a single zero byte means
// everything from key on.
func NewSpan(key, rangeEnd []byte) Span {
	switch {
	case len(rangeEnd) == 0:
		return Span{low: key, single: true}
	case len(rangeEnd) == 1 && rangeEnd[0] == 0:
		return Span{low: key, unbounded: true}
	}
	return Span{low: key, high: rangeEnd}
}

func (s Span) empty() bool {
	return !s.single && !s.unbounded && bytes.Compare(s.low, s.high) >= 0
}

// Contains tells whether a key is of the span.
func (s Span) Contains(key []byte) bool {
	if s.single {
		return bytes.Equal(s.low, key)
	}
	return bytes.Compare(key, s.low) >= 0 && (s.unbounded || bytes.Compare(key, s.high) < 0)
}

// bounds returns the stretch of Pebble's keys that holds every version of the span's keys.
func (s Span) bounds() (lower, upper []byte) {
	lower = appendVersionPrefix(make([]byte, 0, len(s.low)+2), s.low)
	switch {
	case s.unbounded:
		_, upper = spaceVersion.bounds()
	case s.single:
		// The key that follows low at once is low with a zero byte after it.
		upper = append(appendVersionPrefix(make([]byte, 0, len(s.low)+3), s.low), 0)
	default:
		upper = appendVersionPrefix(make([]byte, 0, len(s.high)+2), s.high)
	}
	return lower, upper
}

// Names of the meta records that the store keeps for itself. Names of the member's begin with metaNamed.
const (
	metaPosition   = "position"
	metaCompaction = "compaction"
	metaNamed      = "named/"
)
