package snapshotfile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/bbolt"
)

// tempPrefix begins the name of every file that a build makes.
const tempPrefix = "quorate-snapshot-"

// File is a finished snapshot on disk. Its methods may be called from one goroutine at a time.
type File struct {
	db   *bbolt.DB
	path string
}

// create makes an empty temporary database. Nothing is synced: a snapshot lives as long as its process.
func create(dir string) (*File, error) {
	temp, err := os.CreateTemp(dir, tempPrefix+"*.db")
	if err != nil {
		return nil, err
	}
	path := temp.Name()
	if err := temp.Close(); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		NoSync:         true,
		NoGrowSync:     true,
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
	})
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return &File{db: db, path: path}, nil
}

// Size returns how many bytes WriteTo writes, the checksum included.
func (f *File) Size() (int64, error) {
	size := int64(sha256.Size)
	err := f.db.View(func(tx *bbolt.Tx) error {
		size += tx.Size()
		return nil
	})
	return size, err
}

// WriteTo implements io.WriterTo: the database in small pieces, then its SHA-256 in one write of its own. It may be
// called again.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	sum := sha256.New()
	var n int64
	err := f.db.View(func(tx *bbolt.Tx) (err error) {
		n, err = tx.WriteTo(io.MultiWriter(w, sum))
		return err
	})
	if err != nil {
		return n, fmt.Errorf("write snapshot: %w", err)
	}
	m, err := w.Write(sum.Sum(nil))
	if err != nil {
		err = fmt.Errorf("write snapshot checksum: %w", err)
	}
	return n + int64(m), err
}

// Close removes the file. A second Close does nothing.
func (f *File) Close() error {
	if f.path == "" {
		return nil
	}
	path := f.path
	f.path = ""
	return errors.Join(f.db.Close(), os.Remove(path))
}

// RemoveLeftovers deletes what builds that were killed left in dir. No build may be running there.
func RemoveLeftovers(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}
