package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// PlaceLog has the log of a member that is made now lie in WalDir, by a symbolic link from where it lies otherwise: so everything finds it, tools
// that know of no flag too. A log that is elsewhere already stays there, and its directory's name is in the error: which of two logs is a member's
// is no guess to make.
func (c Config) PlaceLog() error {
	if c.WalDir == "" {
		return nil
	}
	wanted, err := filepath.Abs(c.WalDir)
	if err != nil {
		return fmt.Errorf("--wal-dir=%s: %w", c.WalDir, err)
	}
	place := filepath.Join(c.Directory(), "member", "log") // a log, or a link to it
	info, err := os.Lstat(place)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = linkLog(place, wanted)
	case err == nil && info.Mode()&fs.ModeSymlink == 0:
		err = fmt.Errorf("the log of this member is in %s already: to move it, stop the member, move that directory there, and make a symbolic link to it in its place", place)
	case err == nil:
		var target string
		if target, err = os.Readlink(place); err == nil && target != wanted {
			err = fmt.Errorf("the log of this member is in %s already", target)
		}
	}
	if err != nil {
		return fmt.Errorf("--wal-dir=%s: %w", c.WalDir, err)
	}
	return nil
}

func linkLog(place, wanted string) error {
	if err := os.MkdirAll(wanted, 0o700); err != nil {
		return err
	}
	kept, err := os.ReadDir(wanted)
	switch {
	case err != nil:
		return err
	case len(kept) > 0:
		return errors.New("it must be empty where a member is made")
	}
	member := filepath.Dir(place)
	if err := os.MkdirAll(member, 0o700); err != nil {
		return err
	}
	if err := os.Symlink(wanted, place); err != nil {
		return err
	}
	return errors.Join(syncDirectory(member), syncDirectory(filepath.Dir(member)))
}

// syncDirectory makes names in a directory outlive a crash.
func syncDirectory(name string) error {
	directory, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
