package quorate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrEtcdData is returned by Start when the data directory holds the data of etcd.
var ErrEtcdData = errors.New("the data directory holds etcd's data")

// dataDir is where the data goes.
func (c Config) dataDir() string {
	if c.DataDir == "" {
		return c.Name + DataDirSuffix
	}
	return c.DataDir
}

// checkDataDir refuses directories that cannot be this member's, before anything is written there. What is wrong with
// the data itself is found by who opens it.
func (c Config) checkDataDir() error {
	dir := c.dataDir()
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("--data-dir=%s: %w", dir, err)
	case !info.IsDir():
		return fmt.Errorf("--data-dir=%s: is not a directory", dir)
	}
	for _, kept := range []string{"wal", filepath.Join("snap", "db")} {
		if exists(filepath.Join(dir, "member", kept)) {
			return fmt.Errorf("--data-dir=%s: %w, which is kept differently here. Choose another directory, and copy the keys from the running etcd with etcdctl make-mirror", dir, ErrEtcdData)
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
