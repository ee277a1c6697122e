package snapshotfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/services/consensus/internal/externalsort"
)

const (
	// batchPuts and batchBytes bound one transaction of the build: bbolt holds a transaction's pages in memory.
	batchPuts  = 10_000
	batchBytes = budget.SnapshotWrites
	// fillPercent is how full bbolt leaves a page that it splits. Keys come in order, so no page grows again.
	fillPercent = 0.98
	// runBytes is how much is gathered in memory before it is sorted into a file: a run is, while the one before is on its way there.
	runBytes = budget.SnapshotSort / 2
	// checkEvery is how many versions pass between two looks at the context.
	checkEvery = 1024
)

// Build writes the state into a temporary file in dir, which must exist, and returns the finished snapshot. The caller
// closes it, and calls RemoveLeftovers at its next start in case it cannot. Build stops when ctx is done.
func Build(ctx context.Context, dir string, st State) (*File, error) {
	f, err := build(ctx, dir, &st)
	if err != nil {
		return nil, fmt.Errorf("build snapshot in %s: %w", dir, err)
	}
	return f, nil
}

func build(ctx context.Context, dir string, st *State) (_ *File, err error) {
	g := newGathering(dir)
	defer func() { _ = g.close() }() // after an error; else it is closed by then
	if err := g.gather(ctx, st); err != nil {
		return nil, err
	}
	f, err := create(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := f.db.Update(func(tx *bbolt.Tx) error { return putFixed(tx, st) }); err != nil {
		return nil, err
	}
	if err := fillLeases(f.db, st); err != nil {
		return nil, err
	}
	if err := fillVersions(ctx, f.db, st, g); err != nil {
		return nil, err
	}
	if err := fillOurs(ctx, f.db, st, g); err != nil {
		return nil, err
	}
	return f, g.close()
}

// gathering is what must be in another order in the file than it comes in.
type gathering struct {
	versions *externalsort.Sorter
	// expirations are of the versions that have one.
	expirations *externalsort.Sorter
	// newest is the highest revision of a version.
	newest int64
	// bytes is how much was gathered.
	bytes int64
}

func newGathering(dir string) *gathering {
	cfg := externalsort.Config{Dir: dir, Pattern: tempPrefix + "sort-*", RunBytes: runBytes}
	return &gathering{versions: externalsort.New(cfg), expirations: externalsort.New(cfg)}
}

func (g *gathering) close() error { return errors.Join(g.versions.Close(), g.expirations.Close()) }

// gather feeds all versions to the sorters.
func (g *gathering) gather(ctx context.Context, st *State) error {
	if st.Versions == nil {
		return nil
	}
	n, key := 0, []byte(nil)
	for v, err := range st.Versions {
		if err != nil {
			return fmt.Errorf("read versions: %w", err)
		}
		if n++; n%checkEvery == 0 {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			st.tell(g.bytes, 0)
		}
		if err := v.validate(); err != nil {
			return err
		}
		key = versionKey(key[:0], v)
		err := g.versions.Add(key, func(dst []byte) ([]byte, error) {
			value, err := versionValue(dst, v)
			g.bytes += int64(len(key) + len(value) - len(dst))
			return value, err
		})
		if err != nil {
			return err
		}
		g.newest = max(g.newest, v.KV.GetModRevision())
		if v.Expiration == 0 {
			continue
		}
		err = g.expirations.Add(key, func(dst []byte) ([]byte, error) { return binary.BigEndian.AppendUint64(dst, uint64(v.Expiration)), nil })
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// tell says how far the build is.
func (st *State) tell(read, written int64) {
	if st.Progress != nil {
		st.Progress(read, written)
	}
}

// fillVersions writes the key bucket.
func fillVersions(ctx context.Context, db *bbolt.DB, st *State, g *gathering) error {
	w := &batcher{db: db, bucket: bucketKey}
	var last []byte
	n, written := 0, int64(0)
	err := g.versions.Each(func(key, value []byte) error {
		if n++; n%checkEvery == 0 {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			st.tell(g.bytes, written)
		}
		written += int64(len(key) + len(value))
		if samePlace(last, key) {
			return fmt.Errorf("two versions at revision %x", key)
		}
		last = append(last[:0], key...)
		return w.put(key, value)
	})
	return w.end(err)
}

// fillLeases writes the lease bucket.
func fillLeases(db *bbolt.DB, st *State) error {
	leases, err := sortedLeases(st)
	if err != nil {
		return err
	}
	w := &batcher{db: db, bucket: bucketLease}
	for _, l := range leases {
		var key, value []byte
		if key, value, err = leaseRecord(l); err != nil {
			break
		}
		if err = w.put(key, value); err != nil {
			break
		}
	}
	return w.end(err)
}

// samePlace says whether two keys of the key bucket differ at most in the tombstone's mark.
func samePlace(a, b []byte) bool {
	const placeSize = 8 + 1 + 8
	return len(a) >= placeSize && len(b) >= placeSize && bytes.Equal(a[:placeSize], b[:placeSize])
}

// batcher puts keys in ascending order into one bucket, a bounded transaction at a time.
type batcher struct {
	db     *bbolt.DB
	bucket string
	tx     *bbolt.Tx
	puts   int
	bytes  int
}

// put copies the key and the value: bbolt refers to them until the transaction ends.
func (w *batcher) put(key, value []byte) error {
	if w.tx == nil {
		tx, err := w.db.Begin(true)
		if err != nil {
			return err
		}
		w.tx = tx
	}
	b := w.tx.Bucket([]byte(w.bucket))
	b.FillPercent = fillPercent
	if err := b.Put(key, bytes.Clone(value)); err != nil { // bbolt copies the key itself
		return err
	}
	w.puts++
	w.bytes += len(key) + len(value)
	if w.puts < batchPuts && w.bytes < batchBytes {
		return nil
	}
	return w.flush()
}

func (w *batcher) flush() error {
	if w.tx == nil {
		return nil
	}
	tx := w.tx
	w.tx, w.puts, w.bytes = nil, 0, 0
	return tx.Commit()
}

// end flushes what is left, or drops it after an error.
func (w *batcher) end(err error) error {
	if err == nil {
		return w.flush()
	}
	if w.tx != nil {
		err = errors.Join(err, w.tx.Rollback())
		w.tx = nil
	}
	return err
}
