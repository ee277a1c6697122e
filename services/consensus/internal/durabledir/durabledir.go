// Package durabledir makes and renames directories so that they are still there after a crash. What is synced inside of a new
// directory is lost with it, unless the directory that names it is synced too. Files are their writers' affair.
package durabledir

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// mode keeps what a member stores from other users.
const mode = 0o700

// Make makes a directory and what is missing of its parents, and syncs each parent that gained one.
func Make(fsys vfs.FS, dir string) error {
	var parents []string
	for path := dir; ; {
		if _, err := fsys.Stat(path); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		parent := fsys.PathDir(path)
		parents = append(parents, parent)
		if parent == path {
			break
		}
		path = parent
	}
	if err := fsys.MkdirAll(dir, mode); err != nil {
		return err
	}
	for _, parent := range parents {
		if err := Sync(fsys, parent); err != nil {
			return err
		}
	}
	return nil
}

// Replace renames a directory to a name below the same parent, in the place of what has that name.
func Replace(fsys vfs.FS, from, to string) error {
	if err := fsys.RemoveAll(to); err != nil {
		return err
	}
	if err := fsys.Rename(from, to); err != nil {
		return err
	}
	return Sync(fsys, fsys.PathDir(to))
}

// Sync makes durable which files a directory has.
func Sync(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open %s to sync it: %w", dir, err)
	}
	return errors.Join(d.Sync(), d.Close())
}
