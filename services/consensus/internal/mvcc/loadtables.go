package mvcc

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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
	// loadBatchBytes is how much goes to the writer of tables at a time, and loadBatchesMax how many such wait for it.
	loadBatchBytes, loadBatchesMax = 256 << 10, 4
	// loadSizedRows is how many rows pass between two looks at the size of a table.
	loadSizedRows = 16
	// loadWriteBytes is how much a table writes at a time.
	loadWriteBytes = 256 << 10
)

// tables writes rows as tables of the storage engine, which adopt hands to a new store. The rows of a table come in ascending order, and
// no two tables overlap.
//
// A goroutine of its own encodes and compresses them, so that who finds the rows does not wait for that, and each table's file is synced by another
// while the next one is written. An error of theirs is returned by a later call, by adopt at the latest.
type tables struct {
	cfg     Config
	options sstable.WriterOptions
	// batch is gathered, before is where its last row begins, and free are those that are used again.
	batch   *tableRows
	before  int
	batches chan *tableRows
	free    chan *tableRows
	written sync.WaitGroup
	failed  atomic.Pointer[error]
	// close waits for what is being written. It may be called twice.
	close func()
	// The rest is the writer's. open is the table that is written, nil if none is.
	paths []string
	open  *sstable.Writer
	syncs sync.WaitGroup
}

// tableRows are rows for the writer, each as two lengths of 4 bytes, key and value. Where cut is set a table ends behind them.
type tableRows struct {
	rows []byte
	cut  bool
}

func newTables(cfg Config) *tables {
	o := pebbletuning.State(cfg.MemTableBytes, cfg.OpenFilesMax)
	o.EnsureDefaults()
	t := &tables{
		cfg: cfg, options: o.MakeWriterOptions(len(o.Levels)-1, o.FormatMajorVersion.MaxTableFormat()),
		batches: make(chan *tableRows, loadBatchesMax), free: make(chan *tableRows, loadBatchesMax+1),
	}
	t.written.Go(t.write)
	t.close = sync.OnceFunc(func() {
		close(t.batches)
		t.written.Wait()
	})
	return t
}

// set adds a row, whose value comes in two parts. It returns it as it is kept, until the next set or cut.
func (t *tables) set(key, value, rest []byte) (kept []byte, err error) {
	if t.batch != nil && len(t.batch.rows) >= loadBatchBytes {
		if err := t.send(false); err != nil {
			return nil, err
		}
	}
	if t.batch == nil {
		select {
		case t.batch = <-t.free:
		default:
			t.batch = &tableRows{rows: make([]byte, 0, loadBatchBytes+loadBatchBytes/4)}
		}
	}
	t.before = len(t.batch.rows)
	rows := binary.LittleEndian.AppendUint32(t.batch.rows, uint32(len(key)))
	rows = binary.LittleEndian.AppendUint32(rows, uint32(len(value)+len(rest)))
	t.batch.rows = append(append(append(rows, key...), value...), rest...)
	return t.batch.rows[len(t.batch.rows)-len(value)-len(rest):], nil
}

// unset takes back what the last set has added.
func (t *tables) unset() { t.batch.rows = t.batch.rows[:t.before] }

// cut ends the table. The next row may be below the last one.
func (t *tables) cut() error {
	if t.batch == nil {
		t.batch = &tableRows{}
	}
	return t.send(true)
}

func (t *tables) send(cut bool) error {
	t.batch.cut = cut
	t.batches <- t.batch
	t.batch = nil
	return t.err()
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

// write is the writer: it ends behind the last batch.
func (t *tables) write() {
	for b := range t.batches {
		if t.err() == nil {
			t.fail(t.writeRows(b))
		}
		if cap(b.rows) > 2*loadBatchBytes { // of a large value
			b.rows = nil
		}
		b.rows = b.rows[:0]
		select {
		case t.free <- b:
		default:
		}
	}
	t.fail(t.end())
	t.syncs.Wait()
}

func (t *tables) writeRows(b *tableRows) error {
	n := 0
	for rows := b.rows; len(rows) > 0; n++ {
		keyBytes, valueBytes := binary.LittleEndian.Uint32(rows), binary.LittleEndian.Uint32(rows[4:])
		key, value := rows[8:][:keyBytes], rows[8+keyBytes:][:valueBytes]
		rows = rows[8+keyBytes+valueBytes:]
		if t.open == nil {
			if err := t.begin(); err != nil {
				return err
			}
		}
		if err := t.open.Set(key, value); err != nil {
			return err
		}
		if n%loadSizedRows == 0 && t.open.Raw().EstimatedSize() >= uint64(t.cfg.loadTableBytes) {
			if err := t.end(); err != nil {
				return err
			}
		}
	}
	if b.cut {
		return t.end()
	}
	return nil
}

func (t *tables) begin() error {
	if err := durabledir.Make(t.cfg.FS, t.cfg.Dir); err != nil {
		return err
	}
	path := t.cfg.FS.PathJoin(t.cfg.Dir, fmt.Sprintf("load-%d", len(t.paths)))
	f, err := t.cfg.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	t.paths = append(t.paths, path)
	t.open = sstable.NewWriter(&tableFile{t: t, file: f, w: bufio.NewWriterSize(f, loadWriteBytes)}, t.options)
	return nil
}

func (t *tables) end() error {
	if t.open == nil {
		return nil
	}
	open := t.open
	t.open = nil
	return open.Close()
}

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

// adopt makes a store of the tables.
func (t *tables) adopt() error {
	t.close()
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
		err = s.db.Ingest(context.Background(), t.paths)
	} else {
		err = errors.New("there is a store already")
	}
	err = errors.Join(err, s.db.Close(), s.lock.Close())
	for _, path := range t.paths {
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
