// Package interruptible ends the reading of files when the program is told to stop: storage engines read hundreds of
// megabytes when they open, and take no context. It ends no read that the disk does not answer, and no write, so that
// what is left is what a crash leaves.
package interruptible

import (
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrInterrupted is returned by reads once a stop was asked for.
var ErrInterrupted = errors.New("interrupted")

// Level is how loud an error is: one that a stop brought about is no failure of the disk.
func Level(err error) slog.Level {
	if errors.Is(err, ErrInterrupted) {
		return slog.LevelDebug
	}
	return slog.LevelError
}

// FS is a file system whose files cannot be read once a stop was asked for, until Release. Its methods may be called
// concurrently.
type FS struct {
	vfs.FS
	stop     <-chan struct{}
	released atomic.Bool
}

// New wraps a file system. A stop is asked for by closing stop.
func New(fs vfs.FS, stop <-chan struct{}) *FS { return &FS{FS: fs, stop: stop} }

// Release has all reads succeed from now on.
func (f *FS) Release() { f.released.Store(true) }

// Unwrap is for Pebble, which asks the lowest file system for what it can.
func (f *FS) Unwrap() vfs.FS { return f.FS }

// Open implements vfs.FS.
func (f *FS) Open(name string, options ...vfs.OpenOption) (vfs.File, error) {
	opened, err := f.FS.Open(name, options...)
	if err != nil {
		return nil, err
	}
	return file{opened, f}, nil
}

func (f *FS) check() error {
	if f.released.Load() {
		return nil
	}
	select {
	case <-f.stop:
		return ErrInterrupted
	default:
		return nil
	}
}

type file struct {
	vfs.File
	of *FS
}

// Read implements io.Reader.
func (f file) Read(p []byte) (int, error) {
	if err := f.of.check(); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

// ReadAt implements io.ReaderAt.
func (f file) ReadAt(p []byte, offset int64) (int, error) {
	if err := f.of.check(); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, offset)
}
