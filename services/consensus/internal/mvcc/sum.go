package mvcc

import (
	"bytes"
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// Observe has a batch tell fn of each change of a key, as it is written: how many more keys there are then, and how many more bytes of
// keys and values. It ends with the batch; nil ends it before.
func Observe(b *Batch, fn func(key []byte, keys, bytes int64)) { b.observe = fn }

func tellChange(b *Batch, prev, r *Row) {
	var keys, size int64
	if prev != nil && !prev.Tombstone {
		keys, size = -1, -int64(len(prev.Key)+len(prev.Value))
	}
	if !r.Tombstone {
		keys, size = keys+1, size+int64(len(r.Key)+len(r.Value))
	}
	b.observe(r.Key, keys, size)
}

// sumChunkBytes is about how much SumPrefix reads between two calls of its pace.
const sumChunkBytes = 1 << 20

// SumPrefix counts the keys that begin with a prefix, and their bytes and those of their values, as of one moment, and returns the
// record of a name as of the same, nil if there is none. It hinders nobody. After each sumChunkBytes it calls pace with what it has read
// since; an error of pace ends it.
func SumPrefix(ctx context.Context, s *Store, prefix []byte, name string, pace func(ctx context.Context, read int) error) (keys, size int64, record []byte, err error) {
	snapshot := s.db.NewSnapshot()
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	value, closer, err := snapshot.Get(appendRecordKey(nil, name))
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, 0, nil, nil
	}
	if err != nil {
		return 0, 0, nil, err
	}
	record = bytes.Clone(value)
	if err := closer.Close(); err != nil {
		return 0, 0, nil, err
	}
	rest, high := bytes.Clone(prefix), endOf(prefix)
	for {
		if err := ctx.Err(); err != nil {
			return 0, 0, nil, err
		}
		read, last, err := sumChunk(ctx, snapshot, Between(rest, high), func(r *Row) {
			keys, size = keys+1, size+int64(len(r.Key)+len(r.Value))
		})
		if err == nil {
			err = pace(ctx, read)
		}
		if err != nil {
			return 0, 0, nil, err
		}
		if last == nil {
			return keys, size, record, nil
		}
		rest = append(last, 0)
	}
}

// sumChunk reads until it is enough, and returns the key that it has read last, nil at the end. It has an iterator of its own, which would
// keep the files that it began with.
func sumChunk(ctx context.Context, snapshot *pebble.Snapshot, s Span, take func(*Row)) (read int, last []byte, err error) {
	it, err := snapshot.NewIterWithContext(ctx, nil)
	if err != nil {
		return 0, nil, err
	}
	err = scanVersions(ctx, it, s, NewestRevision, nil, func(r *Row) (bool, error) {
		take(r)
		if read += len(r.Key) + len(r.Value); read >= sumChunkBytes {
			last = bytes.Clone(r.Key)
		}
		return last == nil, nil
	})
	return read, last, errors.Join(err, it.Close())
}

// endOf returns the smallest key above all that begin with a prefix, nil if there is none.
func endOf(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for len(end) > 0 {
		if end[len(end)-1]++; end[len(end)-1] != 0 {
			return end
		}
		end = end[:len(end)-1]
	}
	return nil
}
