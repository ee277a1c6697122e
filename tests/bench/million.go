package main

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"
)

// million loads a million keys, and measures either that or a start with them. Peak memory is of the load, or of the start and a read.
func million(restart bool) func(*trial) error {
	return func(t *trial) error {
		l, err := newLoad(t, 100)
		if err != nil {
			return err
		}
		defer l.close()
		keys := t.times(1_000_000)
		if err := t.measure(keys, func() error { return l.fill("key", keys, 1000) }); err != nil {
			return err
		}
		if !restart {
			t.result.note, err = onDisk(t.server.DataDir())
			return err
		}
		if _, err := t.server.Stop(syscall.SIGTERM); err != nil {
			return err
		}
		begin := time.Now()
		if err := t.server.Start(t.ctx); err != nil {
			return err
		}
		t.result.value, t.result.cpuPerOp = time.Since(begin).Seconds(), 0
		_, err = l.list(0, keys)
		return err
	}
}

// onDisk says how much a directory holds.
func onDisk(dir string) (string, error) {
	var bytes int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // a file that has gone meanwhile
		}
		// Blocks, because etcd preallocates what it has not written.
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				bytes += stat.Blocks * 512
			}
		}
		return nil
	})
	return fmt.Sprintf("%d MB on disk", bytes>>20), err
}
