package consensus

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// makeDirDurable creates dir and its missing parents. A new directory is only sure to be there after a crash once the
// directory that names it is synced; what is synced inside it is lost with it otherwise.
func makeDirDurable(filesystem vfs.FS, dir string) error {
	if _, err := filesystem.Stat(dir); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filesystem.PathDir(dir)
	if parent != dir {
		if err := makeDirDurable(filesystem, parent); err != nil {
			return err
		}
	}
	if err := filesystem.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filesystem, parent)
}

// replaceDir renames a directory, over another one if there is one, durably.
func replaceDir(filesystem vfs.FS, from, to string) error {
	if err := filesystem.RemoveAll(to); err != nil {
		return err
	}
	if err := filesystem.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filesystem, filesystem.PathDir(to))
}

func syncDir(filesystem vfs.FS, dir string) error {
	handle, err := filesystem.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open %s to sync it: %w", dir, err)
	}
	return errors.Join(handle.Sync(), handle.Close())
}
