package auditlog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Stderr is the name of the log that is the process's standard error.
const Stderr = "stderr"

// output is where lines go. Its methods are called by one goroutine.
type output interface {
	io.Writer
	// reserve sees to it that bytes more can be written, whatever else fills the disk.
	reserve(bytes int64) error
	sync() error
	// size is what has been written.
	size() int64
	// next gives the output a new, empty place, in which bytes can be written; the output itself stays as it was if that fails.
	next(bytes int64, now time.Time) error
	close() error
}

// stream is an output that is no file: standard error, a pipe, a terminal.
type stream struct{ io.Writer }

func (stream) reserve(int64) error         { return nil }
func (stream) sync() error                 { return nil }
func (stream) size() int64                 { return 0 }
func (stream) next(int64, time.Time) error { return nil }

// close leaves the stream open: it belongs to the process.
func (stream) close() error { return nil }

// file is an output on a disk, on which it keeps room ahead of what is written.
type file struct {
	path    string
	f       *os.File
	written int64
}

// filePermissions are the owner's alone: lines have names of users and keys.
const filePermissions = 0o600

func openOutput(path string) (output, error) {
	if path == Stderr {
		return stream{os.Stderr}, nil
	}
	return openFile(path)
}

func openFile(path string) (output, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, filePermissions)
	if err != nil {
		return nil, fmt.Errorf("--audit-log: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		return stream{f}, nil
	}
	opened := &file{path: path, f: f}
	if err == nil {
		opened.written = info.Size()
		err = opened.endLine()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--audit-log: %w", err), f.Close())
	}
	return opened, nil
}

// endLine ends a line that a crash has cut, so that the next one can be read. A disk without room for it is found by whoever reserves.
func (o *file) endLine() error {
	if o.written == 0 {
		return nil
	}
	last := make([]byte, 1)
	if _, err := o.f.ReadAt(last, o.written-1); err != nil || last[0] == '\n' {
		return err
	}
	_, _ = o.Write([]byte{'\n'})
	return nil
}

func (o *file) Write(b []byte) (int, error) {
	n, err := o.f.Write(b)
	o.written += int64(n)
	return n, err
}

func (o *file) reserve(bytes int64) error { return allocate(o.f, o.written, bytes) }
func (o *file) sync() error               { return o.f.Sync() }
func (o *file) size() int64               { return o.written }

// next renames the file, unless somebody has done so already, and begins another one at its path.
func (o *file) next(bytes int64, now time.Time) error {
	aside := o.path + "." + now.UTC().Format("20060102T150405.000000000")
	renamed, err := o.moveAside(aside)
	if err != nil {
		return err
	}
	opened, err := openFile(o.path)
	if err == nil {
		err = opened.reserve(bytes)
		if err != nil {
			err = errors.Join(err, opened.close())
		}
	}
	if err != nil {
		if renamed {
			err = errors.Join(err, os.Rename(aside, o.path))
		}
		return err
	}
	begun, ok := opened.(*file)
	if !ok {
		return errors.Join(fmt.Errorf("%s is no file any more", o.path), opened.close())
	}
	old := *o
	*o = *begun
	_ = old.close() // what was written there is there
	return nil
}

// moveAside renames the file if it still is what its path names.
func (o *file) moveAside(aside string) (renamed bool, err error) {
	there, err := os.Stat(o.path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	ours, oursErr := o.f.Stat()
	if err = errors.Join(err, oursErr); err != nil || !os.SameFile(there, ours) {
		return false, err
	}
	return true, os.Rename(o.path, aside)
}

// close gives back the room that was kept.
func (o *file) close() error {
	return errors.Join(o.f.Truncate(o.written), o.f.Close())
}
