package mvcc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/quoratedb/quorate/services/consensus/internal/durabledir"
	"github.com/quoratedb/quorate/services/consensus/internal/pebbletuning"
)

const (
	// loadSizedRows is how many rows pass between two looks at the size of a table.
	loadSizedRows = 16
	// loadWriteBytes is how much a table writes at a time.
	loadWriteBytes = 256 << 10
)

// tables are those that are written for a new store, to which adopt hands them. No two overlap. Each file is synced by a goroutine of its own while
// the next one is written: its error is returned by a later call, by adopt at the latest.
type tables struct {
	cfg     Config
	options sstable.WriterOptions
	syncs   sync.WaitGroup
	failed  atomic.Pointer[error]
	mu      struct {
		sync.Mutex
		paths   []string
		created int
	}
}

func newTables(cfg Config) *tables {
	o := pebbletuning.State(cfg.MemTableBytes, cfg.OpenFilesMax)
	o.EnsureDefaults()
	return &tables{cfg: cfg, options: o.MakeWriterOptions(len(o.Levels)-1, o.FormatMajorVersion.MaxTableFormat())}
}

func (t *tables) err() error {
	if err := t.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (t *tables) fail(err error) {
	if err != nil {
		t.failed.CompareAndSwap(nil, &err)
	}
}

func (t *tables) create(o sstable.WriterOptions) (sstable.RawWriter, string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := durabledir.Make(t.cfg.FS, t.cfg.Dir); err != nil {
		return nil, "", err
	}
	path := t.cfg.FS.PathJoin(t.cfg.Dir, fmt.Sprintf("load-%d", t.mu.created))
	f, err := t.cfg.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, "", err
	}
	t.mu.created++
	t.mu.paths = append(t.mu.paths, path)
	return sstable.NewRawWriter(&tableFile{t: t, file: f, w: bufio.NewWriterSize(f, loadWriteBytes)}, o), path, nil
}

// remove removes tables that are ended.
func (t *tables) remove(paths []string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var err error
	for _, path := range paths {
		err = errors.Join(err, t.cfg.FS.Remove(path))
	}
	t.mu.paths = slices.DeleteFunc(t.mu.paths, func(path string) bool { return slices.Contains(paths, path) })
	return err
}

// tableWriter writes rows as tables, one after another. The rows of a table come in ascending order. It is for one goroutine.
type tableWriter struct {
	t *tables
	// open is the table that is written, nil if none is, and rows counts those in it.
	open sstable.RawWriter
	rows int
	// scanned says that its rows are walked, or looked for where they are: filters, which tell what is not there, would cost time for nothing.
	scanned bool
	// paths are where its tables are.
	paths []string
	// held is a row that is not written yet, unless its key is empty.
	held struct{ key, value []byte }
}

func (w *tableWriter) set(key, value []byte) (err error) {
	if w.open == nil {
		if err := w.t.err(); err != nil {
			return err
		}
		var path string
		if w.open, path, err = w.t.create(w.options()); err != nil {
			return err
		}
		w.paths = append(w.paths, path)
	}
	if err := w.open.Add(pebble.MakeInternalKey(key, 0, pebble.InternalKeyKindSet), value, false); err != nil {
		return err
	}
	if w.rows++; w.rows%loadSizedRows == 0 && w.open.EstimatedSize() >= uint64(w.t.cfg.loadTableBytes) {
		return w.end()
	}
	return nil
}

// options are those of its tables.
func (w *tableWriter) options() sstable.WriterOptions {
	o := w.t.options
	if w.scanned {
		o.FilterPolicy = nil
	}
	return o
}

// hold is set for a row that drop may take back until the next call. Its value comes in two parts, and is returned in one, which is valid until then.
func (w *tableWriter) hold(key, value, rest []byte) ([]byte, error) {
	if err := w.settle(); err != nil {
		return nil, err
	}
	held := &w.held
	held.key = append(held.key, key...)
	held.value = append(append(held.value[:0], value...), rest...)
	return held.value, nil
}

func (w *tableWriter) drop() { w.held.key = w.held.key[:0] }

// settle writes what is held.
func (w *tableWriter) settle() error {
	if len(w.held.key) == 0 {
		return nil
	}
	err := w.set(w.held.key, w.held.value)
	w.drop()
	return err
}

// cut ends the table. The next row may be below the last one.
func (w *tableWriter) cut() error {
	if err := w.settle(); err != nil {
		return err
	}
	return w.end()
}

func (w *tableWriter) end() error {
	if w.open == nil {
		return nil
	}
	open := w.open
	w.open, w.rows = nil, 0
	return open.Close()
}

// giveUp ends a table that is written after an error.
func (w *tableWriter) giveUp() { _ = w.end() }

// discard removes all that was written.
func (w *tableWriter) discard() error { return errors.Join(w.cut(), w.t.remove(w.paths)) }

// tableFile is where a table is written to.
type tableFile struct {
	t    *tables
	file vfs.File
	w    *bufio.Writer
}

var _ objstorage.Writable = (*tableFile)(nil)

func (f *tableFile) Write(p []byte) error {
	_, err := f.w.Write(p)
	return err
}

// Finish leaves it to another goroutine to have the file on the disk.
func (f *tableFile) Finish() error {
	if err := f.w.Flush(); err != nil {
		return errors.Join(err, f.file.Close())
	}
	f.t.syncs.Go(func() { f.t.fail(errors.Join(f.file.Sync(), f.file.Close())) })
	return nil
}

func (f *tableFile) Abort() { _ = f.file.Close() }

// adopt makes a store of the tables, which are all ended.
func (t *tables) adopt() error {
	t.syncs.Wait()
	if err := t.err(); err != nil {
		return err
	}
	s := &Store{opts: t.cfg, log: t.cfg.Logger}
	if err := openPebble(s); err != nil {
		return err
	}
	defer s.cache.Unref()
	var err error
	if isEmpty(s.db) {
		err = s.db.Ingest(context.Background(), t.mu.paths)
	} else {
		err = errors.New("there is a store already")
	}
	err = errors.Join(err, s.db.Close(), s.lock.Close())
	for _, path := range t.mu.paths {
		if _, gone := t.cfg.FS.Stat(path); gone == nil { // what the engine has taken has a name of its own
			err = errors.Join(err, t.cfg.FS.Remove(path))
		}
	}
	return errors.Join(err, failed(s))
}

func isEmpty(db *pebble.DB) bool {
	it, err := db.NewIter(nil)
	if err != nil {
		return false
	}
	defer func() { _ = it.Close() }()
	return !it.First()
}
