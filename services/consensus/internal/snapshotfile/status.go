package snapshotfile

import (
	"context"
	"fmt"
	"hash/crc32"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// checkRows is how many rows pass between two looks at the context.
const checkRows = 4096

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Status says what is in a file, as `etcdutl snapshot status` does.
type Status struct {
	// Hash is of all buckets, names and contents.
	Hash uint32
	// Revision is that of the last row, Keys how many exist then.
	Revision int64
	Keys     int
	// Bytes is the size of the database.
	Bytes int64
	// Version is that of the storage, empty before etcd 3.6.
	Version string
}

// reading looks at the context, and tells how far it is, from time to time while rows are read.
type reading struct {
	ctx         context.Context
	told        func(done, total int64) // nil for nobody
	rows        int
	done, total int64
}

// row is called with each.
func (r *reading) row(k, v []byte) error {
	r.done += int64(len(k) + len(v))
	if r.rows++; r.rows%checkRows != 0 {
		return nil
	}
	if r.told != nil {
		r.told(r.done, max(r.done, r.total))
	}
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	return nil
}

// Status reads all of the file.
func (r *Reader) Status(ctx context.Context) (s Status, err error) {
	err = r.view(func(tx *bbolt.Tx) error {
		s = Status{Bytes: tx.Size(), Version: string(tx.Bucket([]byte(bucketMeta)).Get([]byte(keyStorageVersion)))}
		keys, kv, rows := map[string]struct{}{}, &mvccpb.KeyValue{}, &reading{ctx: ctx, told: r.told, total: tx.Size()}
		err := tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			s.Hash = crc32.Update(s.Hash, castagnoli, name)
			return b.ForEach(func(k, v []byte) error {
				if err := rows.row(k, v); err != nil {
					return err
				}
				s.Hash = crc32.Update(crc32.Update(s.Hash, castagnoli, k), castagnoli, v)
				if string(name) != bucketKey {
					return nil
				}
				revision, sub, tombstone, err := splitPlace(k)
				if err != nil {
					return err
				}
				if err := decodeKeyValue(v, kv); err != nil {
					return fmt.Errorf("%w: revision %d.%d: %w", ErrDamaged, revision, sub, err)
				}
				s.Revision = revision
				if tombstone {
					delete(keys, string(kv.GetKey()))
				} else {
					keys[string(kv.GetKey())] = struct{}{}
				}
				return nil
			})
		})
		s.Keys = len(keys)
		return err
	})
	return s, r.judge(err)
}

// HashKV is what HashByRev of etcd's says of a file: of the rows above Compacted up to a revision, 0 for the newest, and of those below that are
// still the newest of their keys at the revision.
type HashKV struct {
	Hash                uint32
	Revision, Compacted int64
}

// HashKV hashes the rows of keys.
func (r *Reader) HashKV(ctx context.Context, revision int64) (h HashKV, err error) {
	err = r.Read(func(c *Content) error {
		switch {
		case revision > 0 && revision < c.CompactedRevision:
			return fmt.Errorf("mvcc: required revision has been compacted: revision %d, and the oldest is %d", revision, c.CompactedRevision)
		case revision > c.Revision:
			return fmt.Errorf("mvcc: required revision is a future revision: revision %d, and the newest is %d", revision, c.Revision)
		case revision == 0:
			revision = c.Revision
		}
		compacted := c.CompactedRevision
		if compacted == 0 {
			compacted = -1 // as etcd says that nothing is
		}
		h = HashKV{Revision: revision, Compacted: compacted, Hash: crc32.Checksum([]byte(bucketKey), castagnoli)}
		return nil
	})
	if err != nil {
		return HashKV{}, err
	}
	err = r.view(func(tx *bbolt.Tx) error {
		rows := &reading{ctx: ctx, told: r.told, total: 2 * tx.Size()}
		kept, err := keptRows(rows, tx, h.Revision)
		if err != nil {
			return err
		}
		return tx.Bucket([]byte(bucketKey)).ForEach(func(k, v []byte) error {
			if err := rows.row(k, v); err != nil {
				return err
			}
			at, _, tombstone, err := splitPlace(k)
			if err != nil || at > h.Revision || tombstone && at == h.Compacted {
				return err
			}
			if _, keep := kept[string(k)]; at <= h.Compacted && len(kept) > 0 && !keep {
				return nil
			}
			h.Hash = crc32.Update(crc32.Update(h.Hash, castagnoli, k), castagnoli, v)
			return nil
		})
	})
	return h, err
}

// keptRows are the rows that a compaction to a revision would leave up to there: the newest of each key, unless that is a tombstone.
func keptRows(rows *reading, tx *bbolt.Tx, revision int64) (map[string]struct{}, error) {
	newest, kv := map[string]string{}, &mvccpb.KeyValue{}
	c := tx.Bucket([]byte(bucketKey)).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if err := rows.row(k, v); err != nil {
			return nil, err
		}
		at, sub, tombstone, err := splitPlace(k)
		if err != nil {
			return nil, err
		}
		if at > revision {
			break
		}
		if err := decodeKeyValue(v, kv); err != nil {
			return nil, fmt.Errorf("%w: revision %d.%d: %w", ErrDamaged, at, sub, err)
		}
		if tombstone {
			delete(newest, string(kv.GetKey()))
		} else {
			newest[string(kv.GetKey())] = string(k)
		}
	}
	kept := make(map[string]struct{}, len(newest))
	for _, row := range newest {
		kept[row] = struct{}{}
	}
	return kept, nil
}
