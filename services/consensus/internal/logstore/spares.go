package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"

	"github.com/quoratedb/quorate/services/consensus/internal/pebbletuning"
)

const (
	// spareFiles are needed until Pebble has write-ahead files of its own to reuse: the one that it begins with, and the one after it.
	spareFiles = 2
	// sparePrefix begins the names of spares, which Pebble passes over.
	sparePrefix = "spare-"
	// blankBytes are written at a time.
	blankBytes = 64 << 10
)

// sparing is a filesystem on which the first write-ahead files of a process are made from files that were written before. A
// sync of what grows a file also writes where its new blocks are and how long it is, which takes twice as long as a sync of what
// is written over; Pebble reuses its files for that reason, and has none when it starts.
type sparing struct {
	vfs.FS
	mu     sync.Mutex
	spares []string
}

// Unwrap is for Pebble, which asks the lowest file system for what it can.
func (s *sparing) Unwrap() vfs.FS { return s.FS }

// Create implements vfs.FS.
func (s *sparing) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if _, _, ok := wal.ParseLogFilename(s.PathBase(name)); ok {
		if spare := s.take(); spare != "" {
			if err := s.Rename(spare, name); err != nil {
				return nil, err
			}
			return s.OpenReadWrite(name, category)
		}
	}
	return s.FS.Create(name, category)
}

func (s *sparing) take() (spare string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.spares) > 0 {
		spare, s.spares = s.spares[0], s.spares[1:]
	}
	return spare
}

// prepare writes the spares. One that a process left which was killed is written anew, since nobody knows how much of it there is.
func (s *sparing) prepare(dir string) error {
	for i := range spareFiles {
		path := s.PathJoin(dir, sparePrefix+strconv.Itoa(i))
		if err := writeBlank(s.FS, path); err != nil {
			return errors.Join(err, s.discard(path))
		}
		s.spares = append(s.spares, path)
	}
	return nil
}

// discard removes what was only begun, so that it takes no room from what is written later.
func (s *sparing) discard(path string) error {
	if err := s.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeBlank writes a file of zeros, which end a write-ahead file for who reads it.
func writeBlank(fsys vfs.FS, path string) (err error) {
	f, err := fsys.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	zeros := make([]byte, blankBytes)
	for range pebbletuning.WriteAheadBytes / len(zeros) {
		clear(zeros) // a vfs.File may change what it was given
		if _, err := f.Write(zeros); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}
