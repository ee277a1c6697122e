package logstore

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// rotation is a file system that keeps Pebble's change from one write-ahead file to the next from failing. Pebble panics where the
// old file cannot be ended or the new one be made, with its lock in a state that ends the process in the midst of its deferred calls:
// an operator would get stacks of goroutines. While a database is open the failure is reported instead, and the writer, to
// whom nothing may be acknowledged any more, is held until the process has ended.
type rotation struct {
	vfs.FS
	// fail takes the failure. It does not wait for the writer.
	fail func(error)
	open atomic.Bool
}

// Unwrap is for Pebble, which asks the lowest file system for what it can.
func (r *rotation) Unwrap() vfs.FS { return r.FS }

// Create implements vfs.FS.
func (r *rotation) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := r.FS.Create(name, category)
	return r.begun(f, name, err)
}

// ReuseForWrite implements vfs.FS.
func (r *rotation) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := r.FS.ReuseForWrite(from, to, category)
	return r.begun(f, to, err)
}

func (r *rotation) begun(f vfs.File, name string, err error) (vfs.File, error) {
	switch {
	case filepath.Ext(name) != ".log":
		return f, err
	case err != nil:
		r.hold(fmt.Errorf("begin another file: %w", err))
		return nil, err
	}
	return &writeAheadFile{File: f, rotation: r}, nil
}

// hold reports a failure and does not return, unless no database is open.
func (r *rotation) hold(err error) {
	if r.open.Load() {
		r.fail(err)
		select {}
	}
}

// writeAheadFile remembers that something of it could not be written. Room that cannot be set aside is nothing: not all file systems know how, and
// Pebble goes on without.
type writeAheadFile struct {
	vfs.File
	rotation *rotation
	failed   atomic.Pointer[error]
}

// Write implements vfs.File.
func (f *writeAheadFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.note(err)
}

// Sync implements vfs.File.
func (f *writeAheadFile) Sync() error { return f.note(f.File.Sync()) }

// SyncData implements vfs.File.
func (f *writeAheadFile) SyncData() error { return f.note(f.File.SyncData()) }

// SyncTo implements vfs.File.
func (f *writeAheadFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.note(err)
}

func (f *writeAheadFile) note(err error) error {
	if err != nil {
		f.failed.CompareAndSwap(nil, &err)
	}
	return err
}

// Close implements vfs.File. It is the last thing that Pebble does with the file before it panics.
func (f *writeAheadFile) Close() error {
	err := f.File.Close()
	if failed := f.failed.Load(); failed != nil {
		err = errors.Join(*failed, err)
	}
	if err != nil {
		f.rotation.hold(fmt.Errorf("end a file: %w", err))
	}
	return err
}
