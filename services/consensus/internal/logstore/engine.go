package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/quoratedb/quorate/services/consensus/internal/pebbletuning"
)

// engine is the database in the log's directory. It reads and writes sealed records, and knows nothing of what a log may hold.
type engine struct {
	dir   string
	files rotation
	db    *pebble.DB
	cache *pebble.Cache
	lock  *pebble.Lock
	log   *engineLog
	torn  *tornTail // what open dropped, nil for nothing
}

func newEngine(dir string, log *engineLog) *engine {
	return &engine{dir: dir, files: rotation{fail: log.fail}, log: log, cache: pebble.NewCache(pebbletuning.LogCacheBytes)}
}

// open takes the directory's lock, checks what Pebble does not, and opens the database.
func (e *engine) open(fs vfs.FS) error {
	plain := fs
	if plain == nil {
		plain = vfs.Default
	}
	var err error
	if e.lock, err = lockDir(plain, e.dir); err != nil {
		return err
	}
	exists, torn, err := checkFiles(plain, e.dir)
	if err != nil {
		return err
	}
	e.torn = torn
	// A new database writes its first write-ahead file before it raises its format to the one asked for, so that file
	// would lack the synced offsets that checkNewestWAL goes by. Opening it once more starts another file.
	opens := 1
	if !exists {
		opens = 2
	}
	for i := range opens {
		if i == opens-1 {
			e.files.FS = e.withSpares(plain)
			fs = &e.files
		}
		e.db, err = e.openDatabase(fs)
		if err = errors.Join(err, e.failed()); err != nil {
			return e.openError(err)
		}
		if i < opens-1 {
			if err = e.db.Close(); err != nil {
				e.db = nil
				return e.openError(err)
			}
		}
	}
	e.files.open.Store(true)
	return nil
}

// withSpares prepares write-ahead files on the machine's file system; one in memory would have them for nothing. Without them the first writes
// take longer, and that is all.
func (e *engine) withSpares(fsys vfs.FS) vfs.FS {
	if vfs.Root(fsys) != vfs.Default {
		return fsys
	}
	s := &sparing{FS: fsys}
	if err := s.prepare(e.dir); err != nil {
		e.log.log.Warn("write-ahead files of the raft log could not be prepared, so that the first writes take longer", "dir", e.dir, "err", err)
	}
	return s
}

// openDatabase opens the database. Pebble ends in a panic where its files contradict each other.
func (e *engine) openDatabase(fsys vfs.FS) (db *pebble.DB, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			db, err = nil, fmt.Errorf("%w: the storage engine cannot make sense of its files: %v", ErrCorrupt, cause)
		}
	}()
	return pebble.Open(e.dir, engineOptions(fsys, e.lock, e.cache, e.log))
}

func (e *engine) openError(err error) error {
	if pebble.IsCorruptionError(err) || errors.Is(err, ErrCorrupt) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: directory %s: %w; %s", ErrCorrupt, e.dir, err, recoverAdvice)
	}
	return fmt.Errorf("directory %s: %w", e.dir, err)
}

// witness writes empty records behind the last one. Each says how far the file was synced when it was written, and
// Pebble may learn of a sync just after the writer does: the third record is sure to cover all that came before the
// first.
func (e *engine) witness() error {
	for range 3 {
		if err := e.sync(); err != nil {
			return err
		}
	}
	return nil
}

// close gives back whatever open acquired.
func (e *engine) close() error {
	var errs []error
	if e.db != nil {
		e.files.open.Store(false)
		if err := e.db.Close(); err != nil && e.failed() == nil {
			errs = append(errs, fmt.Errorf("close raft log in %s: %w", e.dir, err))
		}
	}
	e.cache.Unref()
	if e.lock != nil {
		errs = append(errs, e.lock.Close())
	}
	return errors.Join(errs...)
}

// failed returns the first failure, wrapped in ErrFailed, or nil.
func (e *engine) failed() error { return e.log.failed() }

// commit writes a batch. Pebble reports a failed commit through its logger and then returns as if all were well, hence
// the second look.
func (e *engine) commit(b *pebble.Batch, sync bool) error {
	err := b.Commit(&pebble.WriteOptions{Sync: sync})
	if failure := e.failed(); failure != nil {
		return failure
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	return nil
}

// sync makes all earlier writes durable.
func (e *engine) sync() error {
	if err := e.failed(); err != nil {
		return err
	}
	err := e.db.LogData(nil, pebble.Sync)
	if failure := e.failed(); failure != nil {
		return failure
	}
	return err
}

// get returns a copy of the payload under a key.
func (e *engine) get(key []byte) (payload []byte, found bool, err error) {
	value, closer, err := e.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read raft log record %q: %w", key, err)
	}
	defer func() { _ = closer.Close() }()
	payload, err = unseal(key, value)
	if err != nil {
		return nil, false, err
	}
	return slices.Clone(payload), true, nil
}

// entries iterates over the entries from one index up to and without another, 0 for the end of the log.
func (e *engine) entries(from, to uint64) (*pebble.Iterator, error) {
	o := &pebble.IterOptions{LowerBound: entryKey(from), UpperBound: []byte{entryPrefix + 1}}
	if to > 0 {
		o.UpperBound = entryKey(to)
	}
	return e.db.NewIter(o)
}

// engineOptions wires the log's tuning to the engine.
func engineOptions(fs vfs.FS, lock *pebble.Lock, cache *pebble.Cache, log *engineLog) *pebble.Options {
	o := pebbletuning.Log()
	o.FS, o.Lock, o.Cache = fs, lock, cache
	o.Logger, o.EventListener = log, log.listener()
	return o
}
