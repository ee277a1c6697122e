package consensus

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/quoratedb/quorate/services/consensus/internal/owneronly"
)

// narrowData takes from other users what they may do with what is there already. The data directory itself is the
// operator's, who may have reasons for what others may see of it: that is only told, as by etcd. A member starts either way.
func narrowData(cfg Config, log *slog.Logger) {
	if cfg.FS != owneronly.FS {
		return // it has no owners
	}
	if info, err := cfg.FS.Stat(cfg.DataDir); err == nil && owneronly.Wider(info) {
		log.Warn("other users may enter the data directory: chmod 700 keeps them out",
			"data-dir", cfg.DataDir, "mode", info.Mode().String())
	}
	dir := cfg.FS.PathJoin(cfg.DataDir, "member")
	count, err := owneronly.Narrow(dir)
	if err != nil {
		log.Warn("other users may read what the store holds: make the directory and all in it this process's user's own",
			"directory", dir, "error", err)
	}
	if count > 0 {
		log.Warn("other users could read files of the store, and no longer can", "directory", dir, "changed", count)
	}
}

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
