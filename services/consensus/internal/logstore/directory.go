package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/quoratedb/quorate/services/consensus/internal/durabledir"
)

// lockDir makes sure that the directory exists, durably, and takes it for this Store alone.
func lockDir(fsys vfs.FS, dir string) (*pebble.Lock, error) {
	if err := durabledir.Make(fsys, dir); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNotWritable, dir, err)
	}
	lock, err := pebble.LockDirectory(dir, fsys)
	switch {
	case err == nil:
		return lock, nil
	case isAccessError(err):
		return nil, fmt.Errorf("%w: %s: %w", ErrNotWritable, dir, err)
	case errors.Is(err, syscall.EAGAIN):
		return nil, fmt.Errorf("%w: another process uses %s; stop it, or give this member a data directory of its own", ErrInUse, dir)
	case strings.Contains(err.Error(), "lock held"):
		// Pebble has no sentinel for a lock that this very process holds.
		return nil, fmt.Errorf("%w: %s is open already in this process", ErrInUse, dir)
	}
	return nil, fmt.Errorf("lock %s: %w", dir, err)
}

func isAccessError(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSPC) ||
		errors.Is(err, syscall.ENOTDIR)
}

// checkFiles looks at the directory before Pebble does, for damage that Pebble would take for a fresh start or for a
// torn tail. It reports whether there is a database at all, and what Pebble will drop.
func checkFiles(fsys vfs.FS, dir string) (exists bool, torn *tornTail, err error) {
	desc, err := pebble.Peek(dir, fsys)
	if err != nil {
		return false, nil, fmt.Errorf("directory %s: %w", dir, err)
	}
	names, err := fsys.List(dir)
	if err != nil {
		return false, nil, fmt.Errorf("directory %s: %w", dir, err)
	}
	newest, hasTables := newestWAL(names), false
	for _, name := range names {
		hasTables = hasTables || strings.HasSuffix(name, ".sst")
	}
	switch {
	case !desc.Exists && (newest.name != "" || hasTables):
		// Pebble would create an empty database over these.
		return false, nil, fmt.Errorf("%w: %s holds log files but its manifest is missing; %s", ErrCorrupt, dir, recoverAdvice)
	case desc.Exists && newest.name == "" && hasTables:
		// A table is flushed only after a write-ahead file exists, and the newest one is never deleted.
		return false, nil, fmt.Errorf("%w: %s holds tables but its write-ahead file (*.log) is missing; %s", ErrCorrupt, dir, recoverAdvice)
	case newest.name == "":
		return desc.Exists, nil, nil
	}
	torn, err = checkNewestWAL(fsys, fsys.PathJoin(dir, newest.name), newest.number)
	return desc.Exists, torn, err
}
