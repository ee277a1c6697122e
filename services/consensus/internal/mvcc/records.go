package mvcc

import (
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Records are small named values that belong to the state like keys do, and that no range, watch or hash of keys shows. Their
// names and values are their owner's; the store only keeps them, and folds them into the digest.

// Records calls fn with every record of a store, ordered by name. What fn gets is valid until it returns.
func Records(s *Store, fn func(name string, value []byte) error) error {
	lower, upper := spaceRecord.bounds()
	return s.each(lower, upper, recordRow(fn))
}

// Records is what Records finds, at the moment of the snapshot.
func (s *Snapshot) Records(fn func(name string, value []byte) error) error {
	lower, upper := spaceRecord.bounds()
	return s.v.each(lower, upper, recordRow(fn))
}

func recordRow(fn func(name string, value []byte) error) func(k, v []byte) error {
	return func(k, v []byte) error {
		name, err := splitRecordKey(k)
		if err != nil {
			return err
		}
		return fn(name, v)
	}
}

// SetRecord stores a value under a name, in place of old, which is nil if there was none.
func (b *Batch) SetRecord(name string, old, value []byte) {
	b.now.replace(hashRecord(name, old), hashRecord(name, value))
	b.w.set(appendRecordKey(b.w.keyBuf[:0], name), value)
}

// DropRecord deletes what is stored under a name, which is old.
func (b *Batch) DropRecord(name string, old []byte) {
	b.now.replace(hashRecord(name, old), 0)
	b.w.delete(appendRecordKey(b.w.keyBuf[:0], name))
}

// hashRecord is 0 for nil.
func hashRecord(name string, value []byte) uint64 {
	if value == nil {
		return 0
	}
	return finish(fold(fold(seedRecord, xxhash.Sum64String(name)), xxhash.Sum64(value)))
}

func appendRecordKey(dst []byte, name string) []byte {
	dst = append(dst, byte(spaceRecord))
	dst = append(dst, name...)
	return append(dst, 0)
}

func splitRecordKey(k []byte) (name string, err error) {
	if len(k) < 2 || k[0] != byte(spaceRecord) || k[len(k)-1] != 0 {
		return "", fmt.Errorf("record %x: %w", k, errBadKey)
	}
	return string(k[1 : len(k)-1]), nil
}
