package mvcc

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/quoratedb/quorate/services/consensus/internal/durabledir"
	"github.com/quoratedb/quorate/services/consensus/internal/pebbletuning"
)

// loadTableBytes is the size of a table of Load's, about that of those which the storage engine makes at the bottom of a large store.
const loadTableBytes = 64 << 20

// tables writes rows as tables of the storage engine, which adopt hands to a new store. The rows of a table come in ascending order, and
// no two tables overlap.
type tables struct {
	cfg     Config
	options sstable.WriterOptions
	paths   []string
	// open is the table that is written, nil if none is.
	open *sstable.Writer
}

func newTables(cfg Config) *tables {
	o := pebbletuning.State(cfg.MemTableBytes, cfg.OpenFilesMax)
	o.EnsureDefaults()
	return &tables{cfg: cfg, options: o.MakeWriterOptions(len(o.Levels)-1, o.FormatMajorVersion.MaxTableFormat())}
}

// set adds a row.
func (t *tables) set(key, value []byte) error {
	if t.open == nil {
		if err := t.begin(); err != nil {
			return err
		}
	}
	if err := t.open.Set(key, value); err != nil {
		return err
	}
	if t.open.Raw().EstimatedSize() < loadTableBytes {
		return nil
	}
	return t.cut()
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
	t.open = sstable.NewWriter(objstorageprovider.NewFileWritable(f), t.options)
	return nil
}

// cut ends the table, durably. The next row may be below the last one.
func (t *tables) cut() error {
	if t.open == nil {
		return nil
	}
	open := t.open
	t.open = nil
	return open.Close()
}

// adopt makes a store of the tables.
func (t *tables) adopt() error {
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

// close gives up the table that is written.
func (t *tables) close() error { return t.cut() }
