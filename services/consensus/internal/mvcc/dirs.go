package mvcc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// The records of directories, and the times at which files and directories end, stand beside the keys: no range, watch,
// hash or lease of keys meets them. They have one version, the newest.

func appendDirKey(dst, path []byte) []byte {
	dst = append(dst, byte(spaceDir))
	dst = append(dst, path...)
	return append(dst, 0)
}

func splitDirKey(k []byte) ([]byte, error) {
	if len(k) < 3 || k[0] != byte(spaceDir) || k[len(k)-1] != 0 {
		return nil, fmt.Errorf("directory %x: %w", k, errBadKey)
	}
	return k[1 : len(k)-1], nil
}

func appendDir(dst []byte, d *Dir) []byte {
	dst = binary.AppendUvarint(dst, uint64(d.Create))
	dst = binary.AppendUvarint(dst, uint64(d.Mod))
	return binary.AppendUvarint(dst, uint64(d.Expiration))
}

func decodeDir(b []byte) (*Dir, error) {
	d := decoder{b: b}
	dir := &Dir{Create: d.int64(), Mod: d.int64(), Expiration: d.int64()}
	if d.failed || len(d.b) != 0 {
		return nil, fmt.Errorf("directory record %.16x: %w", b, errBadRecord)
	}
	return dir, nil
}

// seekDir reads a record by its key, nil if there is none.
func seekDir(it *pebble.Iterator, key []byte) (*Dir, error) {
	if !it.SeekPrefixGE(key) {
		return nil, it.Error()
	}
	b, err := it.ValueAndErr()
	if err != nil {
		return nil, err
	}
	return decodeDir(b)
}

// scanDirs calls fn with the records of [low, high) that base sees, in order, until it wants no more or ctx ends.
func scanDirs(ctx context.Context, base *pebble.Iterator, low, high []byte, fn func([]byte, *Dir) (bool, error)) error {
	o := &pebble.IterOptions{LowerBound: appendDirKey(nil, low), UpperBound: appendDirKey(nil, high)}
	it, err := base.Clone(pebble.CloneOptions{IterOptions: o})
	if err != nil {
		return err
	}
	err = eachRow(it, attentive(ctx, func(k, v []byte) error {
		path, err := splitDirKey(k)
		if err != nil {
			return err
		}
		dir, err := decodeDir(v)
		if err != nil {
			return err
		}
		more, err := fn(path, dir)
		if err == nil && !more {
			err = errEnough
		}
		return err
	}))
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// dirOverlay holds the records that the batch at hand has changed, in front of what is committed.
type dirOverlay struct {
	// records are nil where they were deleted.
	records map[string]*Dir
	// paths are those of records, in order.
	paths []string
}

func (o *dirOverlay) reset() {
	clear(o.records)
	o.paths = o.paths[:0]
}

func (o *dirOverlay) set(path []byte, dir *Dir) {
	if o.records == nil {
		o.records = make(map[string]*Dir)
	}
	key := string(path)
	if _, known := o.records[key]; !known {
		i, _ := slices.BinarySearch(o.paths, key)
		o.paths = slices.Insert(o.paths, i, key)
	}
	o.records[key] = dir
}

// within returns the changed paths of [low, high).
func (o *dirOverlay) within(low, high []byte) []string {
	from, _ := slices.BinarySearch(o.paths, string(low))
	to, _ := slices.BinarySearch(o.paths, string(high))
	return o.paths[from:max(from, to)]
}

// dirMerge lays changed records over a scan of what is committed.
type dirMerge struct {
	o       *dirOverlay
	changed []string
	fn      func([]byte, *Dir) (bool, error)
	done    bool
}

// base takes the next committed record.
func (m *dirMerge) base(path []byte, dir *Dir) (bool, error) {
	if err := m.before(path); err != nil || m.done {
		return false, err
	}
	if len(m.changed) > 0 && m.changed[0] == string(path) {
		return true, nil // the overlay knows better, and comes with the next
	}
	return m.emit(path, dir)
}

// before emits the changed records below limit, all if it is nil.
func (m *dirMerge) before(limit []byte) error {
	for len(m.changed) > 0 && !m.done && (limit == nil || m.changed[0] < string(limit)) {
		path := m.changed[0]
		m.changed = m.changed[1:]
		if dir := m.o.records[path]; dir != nil {
			if _, err := m.emit([]byte(path), dir); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *dirMerge) emit(path []byte, dir *Dir) (bool, error) {
	more, err := m.fn(path, dir)
	m.done = !more
	return more, err
}
