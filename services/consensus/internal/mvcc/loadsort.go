package mvcc

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"sync"

	"github.com/quoratedb/quorate/pkg/budget"
)

// What Load sorts is ordered as the store's keys are, but byte by byte, which is compared faster. For the key "a\x00b" at revision 258:
//
//	61 00 ff 62 00 01             the key: a zero byte is followed by ff, and the end is 00 01, so that no key begins another
//	ff ff ff ff ff ff fe fd       the revision's complement: the newest comes first
//
// With it comes the record, behind a byte that says whether its value is there (sortedHere), or where it was (sortedFar). Then 8 bytes say at which
// place of Content.File, and 4 how long it is.
const (
	sortEscaped, sortEnd  = 0xff, 0x01
	sortedHere, sortedFar = 0, 1
	farBytes              = 8 + 4
	// sortedMost is how much is sorted of a version at most, without its value: two bytes, farBytes, and the record's numbers.
	sortedMost = 2 + farBytes + 5*binary.MaxVarintLen64
)

const (
	// farValueMin is how long a value is that stays where it is: it costs less to move shorter ones.
	farValueMin = 512
	// The part of the file whose values stay there is in memory, so it is bounded, by a part of all there is too. All that is sorted beside must be
	// in memory with it and still be less than the whole file, which etcd's restore takes.
	farBytesMax, loadMemoryPart, farBeside = 1 << 30, 4, 192 << 20
	// A bucket of up to bucketBytesMax is sorted in memory, by each goroutine that writes. Those of a file of 4 GB are half as large.
	bucketBytesMax = 32 << 20
	// keptBytesMin may always be kept in memory of what is sorted. A larger file may have as much as it takes itself, without keptBeside, which is
	// what a load takes besides.
	keptBytesMin, keptBeside = 48 << 20, 42 << 20
)

// sortMemory says what is in memory of the versions that are sorted: the values that stay where they are in the file, and what else is sorted.
type sortMemory struct {
	// farEnd is where the part of the file ends whose values stay where they are.
	farEnd int64
	// bucketBytes is how much more is sorted at once at most, and room is for what stays in memory.
	bucketBytes, room int64

	mu sync.Mutex
	// far is how much of the file is in memory, and kept how much else.
	far, kept int64
}

func newSortMemory(cfg Config, fileBytes int) *sortMemory {
	size, limit := int64(fileBytes), budget.Limit()/loadMemoryPart
	m := &sortMemory{
		farEnd: min(max(size-farBeside, 0), size/4*3, farBytesMax, limit),
		room:   max(min(size-keptBeside, farBytesMax+keptBytesMin, limit), keptBytesMin),

		bucketBytes: cmp.Or(cfg.loadBucketBytes, max(min(limit/loadWritersMax/2, bucketBytesMax), loadBucketBytes)),
	}
	if cfg.farBytes > 0 {
		m.farEnd, m.room = cfg.farBytes, cfg.farBytes
	}
	return m
}

// leaves says whether a value that is in the file up to end stays there.
func (m *sortMemory) leaves(end int64) bool {
	if end > m.farEnd {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if max(end, m.far)+m.kept > m.room {
		return false
	}
	m.far = max(end, m.far)
	return true
}

// keep says whether so many bytes of what is sorted stay in memory.
func (m *sortMemory) keep(bytes int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.far+m.kept+int64(bytes) > m.room {
		return false
	}
	m.kept += int64(bytes)
	return true
}

// appendSorted appends what is sorted of a version.
func (l *loading) appendSorted(dst []byte, v *LoadVersion) []byte {
	if v.Place == 0 || v.Tombstone || len(v.Value) < farValueMin || !l.memory.leaves(v.Place+int64(len(v.Value))) {
		return appendRecord(append(dst, sortedHere), &v.Record)
	}
	header := v.Record
	header.Value = nil
	dst = appendRecord(append(dst, sortedFar), &header)
	dst = binary.BigEndian.AppendUint64(dst, uint64(v.Place))
	return binary.BigEndian.AppendUint32(dst, uint32(len(v.Value)))
}

// splitSorted returns a record in two parts, of which the second may be empty.
func (l *loading) splitSorted(sorted []byte) (head, value []byte) {
	if sorted[0] == sortedHere {
		return sorted[1:], nil
	}
	n := len(sorted) - farBytes
	place, size := binary.BigEndian.Uint64(sorted[n:]), binary.BigEndian.Uint32(sorted[n+8:])
	return sorted[1:n], l.content.File[place:][:size]
}

func appendSortKey(dst, key []byte, revision int64) []byte {
	for {
		n := bytes.IndexByte(key, 0)
		if n < 0 {
			break
		}
		dst = append(append(dst, key[:n+1]...), sortEscaped)
		key = key[n+1:]
	}
	dst = append(append(dst, key...), 0, sortEnd)
	return binary.BigEndian.AppendUint64(dst, ^uint64(revision))
}

// keyOfSorted is what the sort keys of all versions of a key begin with, of one of them.
func keyOfSorted(k []byte) []byte { return k[:len(k)-8] }

// splitSortKey is the inverse of appendSortKey. The key is in k or in buf, which is returned for the next call.
func splitSortKey(k, buf []byte) (key, nextBuf []byte, revision int64) {
	n := len(k) - 2 - 8
	revision = int64(^binary.BigEndian.Uint64(k[n+2:]))
	key = k[:n]
	if bytes.IndexByte(key, 0) < 0 {
		return key, buf, revision
	}
	buf = buf[:0]
	for i := 0; i < n; i++ {
		if buf = append(buf, key[i]); key[i] == 0 {
			i++
		}
	}
	return buf, buf, revision
}
