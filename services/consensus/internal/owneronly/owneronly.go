// Package owneronly keeps the files of a data directory from other users: what the store holds is in all of them. Pebble
// makes its files readable for everybody whom the process's umask lets.
package owneronly

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	fileMode = 0o600
	dirMode  = 0o700
)

// FS is the machine's file system. What is made or written through it is its owner's alone; as the directories are too,
// nobody gets in between the making of a file and its narrowing.
var FS vfs.FS = narrowing{vfs.Default}

type narrowing struct{ vfs.FS }

// Unwrap is for Pebble, which asks the lowest file system for what it can.
func (n narrowing) Unwrap() vfs.FS { return n.FS }

func (n narrowing) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := n.FS.Create(name, category)
	return narrowed(f, name, err)
}

func (n narrowing) OpenReadWrite(name string, category vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	f, err := n.FS.OpenReadWrite(name, category, options...)
	return narrowed(f, name, err)
}

func (n narrowing) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := n.FS.ReuseForWrite(from, to, category)
	return narrowed(f, to, err)
}

func (n narrowing) Lock(name string) (io.Closer, error) {
	lock, err := n.FS.Lock(name)
	return narrowed(lock, name, err)
}

func (n narrowing) MkdirAll(dir string, mode fs.FileMode) error {
	return n.FS.MkdirAll(dir, mode&dirMode)
}

func narrowed[F io.Closer](f F, name string, err error) (F, error) {
	if err != nil {
		return f, err
	}
	if err := os.Chmod(name, fileMode); err != nil {
		var none F
		return none, errors.Join(err, f.Close())
	}
	return f, nil
}

// Wider tells whether others than its owner may do anything with a file or directory.
func Wider(info fs.FileInfo) bool { return info.Mode().Perm()&^dirMode != 0 }

// Narrow takes from others what they may do with dir and everything in it, which earlier programs and restored backups
// leave, and returns how many files and directories that were. It goes on after one that cannot be narrowed.
func Narrow(dir string) (int, error) {
	count, failed := 0, error(nil)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		switch {
		case err != nil:
			return err
		case !Wider(info), !info.IsDir() && !info.Mode().IsRegular():
			return nil
		}
		if err := os.Chmod(path, info.Mode().Perm()&dirMode); err != nil {
			failed = err
			return nil
		}
		count++
		return nil
	})
	return count, errors.Join(failed, err)
}
