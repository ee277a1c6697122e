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
			return fmt.Errorf("--data-dir=%s: %w, which is kept differently here. Choose another directory, and copy the keys from the running etcd with etcdctl make-mirror", dir, ErrEtcdData)
		}
	}
	return nil
}

// Exists tells whether there is such a file or directory.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
