package main

import (
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

const (
	// diskVersions is how often each key is written.
	diskVersions = 20
	// diskSettled is how long the size must not have shrunk to count: space may be given back some time after a compaction.
	diskSettled = 5 * time.Second
)

// disk writes the same keys again and again, drops the old versions, and measures what is left on disk without a
// defragmentation.
func disk(t *trial) error {
	l, err := newLoad(t, 100)
	if err != nil {
		return err
	}
	defer l.close()
	keys := t.times(50_000)
	if err := t.measure(diskVersions*keys, func() error {
		for range diskVersions {
			if err := l.fill("key", keys, 1000); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	resp, err := l.kv(0).Range(l.ctx, &pb.RangeRequest{Key: []byte("none")})
	if err != nil {
		return err
	}
	if _, err := l.kv(0).Compact(l.ctx, &pb.CompactionRequest{Revision: resp.Header.Revision, Physical: true}); err != nil {
		return err
	}
	bytes, err := l.settledSize(t.only().DataDir())
	t.result.value = float64(bytes) / (1 << 20)
	return err
}

// settledSize returns the size of a directory once it has not shrunk for a while.
func (l *load) settledSize(dir string) (int64, error) {
	smallest, since := int64(0), time.Now()
	for {
		bytes, err := onDisk(dir)
		if err != nil {
			return 0, err
		}
		if smallest == 0 || bytes < smallest {
			smallest, since = bytes, time.Now()
		} else if time.Since(since) > diskSettled {
			return smallest, nil
		}
		if err := pause(l.ctx, diskSettled/10); err != nil {
			return 0, err
		}
	}
}

// onDisk returns how many bytes a directory takes.
func onDisk(dir string) (int64, error) {
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
	return bytes, err
}
