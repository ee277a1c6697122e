package offline

import (
	"context"
	"errors"

	"github.com/quoratedb/quorate/services/consensus/internal/snapshotfile"
)

// Status says what is in a snapshot's file.
type Status = snapshotfile.Status

// HashKV is etcd's hash of the keys in a file.
type HashKV = snapshotfile.HashKV

// ReadStatus reads a whole snapshot, or a copy of etcd's database. A checksum that is there must be right.
func ReadStatus(ctx context.Context, snapshot Snapshot) (Status, error) {
	return readFile(ctx, snapshot, func(r *snapshotfile.Reader) (Status, error) { return r.Status(ctx) })
}

// ReadHashKV hashes the keys of a snapshot, or of a copy of etcd's database, up to a revision, 0 for the newest, as etcd does.
func ReadHashKV(ctx context.Context, snapshot Snapshot, revision int64) (HashKV, error) {
	return readFile(ctx, snapshot, func(r *snapshotfile.Reader) (HashKV, error) { return r.HashKV(ctx, revision) })
}

func readFile[T any](ctx context.Context, snapshot Snapshot, read func(*snapshotfile.Reader) (T, error)) (T, error) {
	r, err := snapshotfile.Open(ctx, snapshot)
	if errors.Is(err, ErrNoChecksum) {
		snapshot.SkipChecksum = true
		r, err = snapshotfile.Open(ctx, snapshot)
	}
	var of T
	if err != nil {
		return of, err
	}
	of, err = read(r)
	return of, errors.Join(err, r.Close())
}
