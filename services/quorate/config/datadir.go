package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrEtcdData is returned by CheckDirectory when the data directory holds the data of etcd.
var ErrEtcdData = errors.New("the data directory holds etcd's data")

// Directory is where the data goes.
func (c Config) Directory() string {
	if c.DataDir == "" {
		return c.Name + DataDirSuffix
	}
	return c.DataDir
}

// CheckDirectory refuses directories that cannot be this member's, before anything is written there. What is wrong with
// the data itself is found by who opens it.
func (c Config) CheckDirectory() error {
	dir := c.Directory()
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("--data-dir=%s: %w", dir, err)
	case !info.IsDir():
		return fmt.Errorf("--data-dir=%s: is not a directory", dir)
	}
	for _, kept := range []string{"wal", filepath.Join("snap", "db")} {
		if Exists(filepath.Join(dir, "member", kept)) {
			return fmt.Errorf("--data-dir=%s: %w, which is kept differently here. Stop the etcd, make another directory of it (quorateutl migrate-from-etcd %s --data-dir NEW), and start with that one", dir, ErrEtcdData, dir)
		}
	}
	return nil
}

// RememberDirectory returns what takes back that the directory was made for a member that did not come to be.
func (c Config) RememberDirectory() (forget func() error) {
	dir := c.Directory()
	member := filepath.Join(dir, "member")
	if Exists(member) {
		return func() error { return nil }
	}
	hadDir := Exists(dir)
	return func() error {
		err := os.RemoveAll(member)
		if c.WalDir != "" {
			err = errors.Join(err, os.RemoveAll(c.WalDir)) // it was empty
		}
		if !hadDir {
			err = errors.Join(err, os.Remove(dir)) // its parents may have been made too, and do no harm
		}
		return err
	}
}

// Exists tells whether there is such a file or directory.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
