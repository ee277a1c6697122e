package consensus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/snapshotfile"
	"github.com/quoratedb/quorate/services/consensus/internal/snapshotstate"
)

// SnapshotStorageVersion is the version of etcd's storage that the files of Snapshot have.
const SnapshotStorageVersion = snapshotfile.StorageVersion

// Snapshot sends the whole state, as of now, as a file in etcd's format: blobs of it, and last its SHA-256 in a blob of
// its own. The file is built on the disk that holds the data directory: errdefs.ErrNoSpace where that would be left as
// full as makes writes stop. Of those beyond snapshotsMax each waits until one has ended.
func (m *Member) Snapshot(ctx context.Context, _ *consensusv1.SnapshotRequest, send func(*consensusv1.SnapshotResponse) error) error {
	defer observeSince(m.metrics.snapshot, time.Now())
	select {
	case m.files.places <- struct{}{}:
		defer func() { <-m.files.places }()
	case <-ctx.Done():
		return fmt.Errorf("wait for other snapshots to end: %w", context.Cause(ctx))
	case <-m.stopped:
		return fmt.Errorf("wait for other snapshots to end: %w", errdefs.ErrStopped)
	}
	var file *snapshotfile.File
	err := m.reader.readData(ctx, false, func(t *gate.Tenure) error {
		return t.During(ctx, func(ctx context.Context) error {
			return m.files.whileRoom(ctx, func(ctx context.Context) (err error) {
				file, err = m.files.build(ctx, t.Store)
				return err
			})
		})
	})
	if err != nil {
		return err
	}
	// The file is no part of the store: whoever takes it slowly, or not at all, holds nobody up.
	return errors.Join(sendFile(file, send), file.Close())
}

// snapshotFiles builds the files of Snapshot.
type snapshotFiles struct {
	cfg Config
	log *slog.Logger
	// places has one for each file.
	places chan struct{}
}

// whileRoom runs fn with a context that ends when the disk has too little room left for what fn writes.
func (f *snapshotFiles) whileRoom(ctx context.Context, fn func(context.Context) error) error {
	if err := f.room(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		ticker := time.NewTicker(snapshotRoomInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				if err := f.room(); err != nil {
					cancel(err)
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	err := fn(ctx)
	cancel(nil)
	watching.Wait()
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errdefs.ErrNoSpace) {
		return cause
	}
	return err
}

// room refuses to go on where a file would take what the log and the state need: a disk of which so little is left that
// writes would be refused, and not go on when the file is gone.
func (f *snapshotFiles) room() error {
	usage, err := f.cfg.FS.GetDiskUsage(f.dir())
	if err != nil {
		return nil // where nobody can tell, the disk itself will
	}
	_, hard := f.cfg.DiskMarks.of(int64(usage.TotalBytes))
	least := uint64(hard + hard/roomPart)
	if usage.AvailBytes >= least {
		return nil
	}
	f.log.Warn("a snapshot is refused, because its file would take the room that the log and the state need: free space, or take it from another member",
		"directory", f.dir(), "free", usage.AvailBytes, "needed", least)
	return fmt.Errorf("build a snapshot in %s, where %d bytes are free and %d must stay so: %w", f.dir(), usage.AvailBytes, least, errdefs.ErrNoSpace)
}

// build writes the file from a snapshot of the state, which it holds no longer than that takes.
func (f *snapshotFiles) build(ctx context.Context, store *mvcc.Store) (_ *snapshotfile.File, err error) {
	snapshot, err := store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	state, err := snapshotstate.Of(ctx, snapshot)
	if err != nil {
		return nil, fmt.Errorf("collect the state for a snapshot: %w", err)
	}
	return snapshotfile.Build(ctx, f.dir(), state)
}

// dir holds the files of snapshots while they are sent.
func (f *snapshotFiles) dir() string { return filepath.Join(f.cfg.DataDir, "member") }

// removeLeftovers deletes what a snapshot left behind that a crash cut short.
func (f *snapshotFiles) removeLeftovers() error {
	err := snapshotfile.RemoveLeftovers(f.dir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a data directory that is not on the machine's disk holds no such files
	}
	return err
}

// sendFile sends what WriteTo writes, piece by piece.
func sendFile(file *snapshotfile.File, send func(*consensusv1.SnapshotResponse) error) error {
	size, err := file.Size()
	if err != nil {
		return err
	}
	_, err = file.WriteTo(&blobWriter{remaining: uint64(size), send: send})
	return err
}

// blobWriter sends each write as messages of bounded size. A short write is never merged with the next: the checksum
// travels in a message of its own.
type blobWriter struct {
	remaining uint64
	send      func(*consensusv1.SnapshotResponse) error
}

func (w *blobWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		blob := append([]byte(nil), p[:min(len(p), snapshotBlobBytes)]...)
		p = p[len(blob):]
		w.remaining -= uint64(len(blob))
		if err := w.send(&consensusv1.SnapshotResponse{Blob: blob, RemainingBytes: w.remaining}); err != nil {
			return written, err
		}
		written += len(blob)
	}
	return written, nil
}
