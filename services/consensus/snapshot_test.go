package consensus

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// snapshotMember starts a member whose data directory is on the machine's disk too, where the files of snapshots are built.
func snapshotMember(t *testing.T, disk vfs.FS) *running {
	t.Helper()
	cfg := testConfig(disk)
	cfg.DataDir = t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(cfg.DataDir, "member"), 0o700))
	return start(t, cfg)
}

// files counts the files of snapshots.
func files(t *testing.T, m *running) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(m.files.dir(), "quorate-snapshot-*"))
	require.NoError(t, err)
	return len(found)
}

// Goal: snapshots, each a file as large as the state, do not fill the disk because many ask for one. Method: more clients than
// are served at a time, none of which reads; one that waits gives up, one gets its turn when another ends.
func TestSnapshotsAtATimeAreLimited(t *testing.T) {
	m := snapshotMember(t, vfs.NewMem())
	m.mustPut(t, "key", "value")
	begun, read := make(chan struct{}, snapshotsMax+1), make(chan struct{})
	var clients sync.WaitGroup
	defer clients.Wait()
	client := func() {
		first := true
		_ = m.Snapshot(context.Background(), nil, func(*consensusv1.SnapshotResponse) error {
			if first {
				first = false
				begun <- struct{}{}
				<-read
			}
			return nil
		})
	}
	stop := sync.OnceFunc(func() { close(read) })
	defer stop()
	for range snapshotsMax {
		clients.Go(client)
	}
	for range snapshotsMax {
		awaitEvent(t, begun, "a snapshot")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, m.Snapshot(ctx, nil, nil), context.Canceled)
	require.Equal(t, snapshotsMax, files(t, m))
	clients.Go(client)
	read <- struct{}{}
	awaitEvent(t, begun, "the snapshot that waited")
	stop()
	clients.Wait()
	require.Zero(t, files(t, m))
}

// filling is a disk of which as much is free as a test says.
type filling struct {
	vfs.FS
	free atomic.Int64
}

// GetDiskUsage implements vfs.FS.
func (f *filling) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: uint64(f.free.Load()), TotalBytes: 1 << 40}, nil
}

// Goal: a snapshot leaves room on the disk: it is refused where there is too little, and given up when there is too little while
// its file is written. Method: a disk that has none left before, and one that fills up meanwhile.
func TestSnapshotLeavesRoomOnTheDisk(t *testing.T) {
	const roomy, scarce = 2 * hardMarkMax, hardMarkMax
	disk := &filling{FS: vfs.NewMem()}
	disk.free.Store(roomy)
	m := snapshotMember(t, disk)
	m.mustPut(t, "key", "value")
	disk.free.Store(scarce)
	err := m.Snapshot(t.Context(), nil, func(*consensusv1.SnapshotResponse) error { return errors.New("not to be sent") })
	require.ErrorIs(t, err, errdefs.ErrNoSpace)
	require.Zero(t, files(t, m))

	disk.free.Store(roomy)
	err = m.files.whileRoom(t.Context(), func(ctx context.Context) error {
		disk.free.Store(scarce)
		<-ctx.Done()
		return ctx.Err()
	})
	require.ErrorIs(t, err, errdefs.ErrNoSpace)
}
