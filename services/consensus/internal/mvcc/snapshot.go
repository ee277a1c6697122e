package mvcc

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Snapshot is the whole state as it was at one moment. It is for one goroutine and must be closed: until then the files
// that it reads are not removed.
type Snapshot struct{ v *View }

// Snapshot takes a snapshot of what is committed. Reading it ends when ctx does.
func (s *Store) Snapshot(ctx context.Context) (*Snapshot, error) {
	v, err := s.View(ctx)
	if err != nil {
		return nil, err
	}
	return &Snapshot{v: v}, nil
}

// Close ends the snapshot.
func (s *Snapshot) Close() error { return s.v.Close() }

// Revision is the snapshot's newest revision.
func (s *Snapshot) Revision() int64 { return s.v.revision }

// CompactedRevision is the oldest revision that the snapshot's versions let one read, 0 for all.
func (s *Snapshot) CompactedRevision() int64 { return s.v.floor }

// Applied is the newest log entry in the snapshot.
func (s *Snapshot) Applied() (index, term uint64) { return s.v.index, s.v.term }

// LeaseEpoch is Store.LeaseEpoch at the moment of the snapshot.
func (s *Snapshot) LeaseEpoch() uint64 { return s.v.epoch }

// Alarms is Store.Alarms at the moment of the snapshot.
func (s *Snapshot) Alarms() []*consensusv1.Alarm { return slices.Clone(s.v.alarms) }

// Versions calls fn with every version that compaction retains, tombstones too, by key and the newest of a key first: the
// order in which they lie on disk. Of a tombstone only the key and mod revision are set. expiration is when the key ends as a file of the
// tree, 0 for never. kv is fn's until it returns, and so is what it refers to.
func (s *Snapshot) Versions(ctx context.Context, fn func(sub, expiration int64, tombstone bool, kv *mvccpb.KeyValue) error) error {
	return s.v.retained(ctx, s.v.revision, func(r *Row) error {
		kv := &mvccpb.KeyValue{
			Key: r.Key, ModRevision: r.Revision,
			CreateRevision: r.Create, Version: r.Version, Value: r.Value, Lease: r.Lease,
		}
		return fn(r.sub, r.Expiration, r.Tombstone, kv)
	})
}

// Dirs calls fn with the directories of the tree, ordered by path, which is fn's until it returns.
func (s *Snapshot) Dirs(ctx context.Context, fn func(path []byte, dir *Dir) error) error {
	lower, upper := spaceDir.bounds()
	return s.v.each(lower, upper, attentive(ctx, func(k, b []byte) error {
		path, err := splitDirKey(k)
		if err != nil {
			return err
		}
		dir, err := decodeDir(b)
		if err != nil {
			return err
		}
		return fn(path, dir)
	}))
}

// Times calls fn with the index of times, see times.go, in the order of revisions.
func (s *Snapshot) Times(ctx context.Context, fn func(revision, nanoseconds int64) error) error {
	lower, upper := spaceTime.bounds()
	return s.v.each(lower, upper, attentive(ctx, func(k, b []byte) error {
		revision, err := splitTimeKey(k)
		if err != nil {
			return err
		}
		if len(b) != 8 {
			return fmt.Errorf("time of revision %d, %.16x: %w", revision, b, errBadRecord)
		}
		return fn(revision, int64(binary.BigEndian.Uint64(b)))
	}))
}

// Leases returns the leases, ordered by id.
func (s *Snapshot) Leases() ([]*consensusv1.Lease, error) {
	return readLeases(context.Background(), s.v.each)
}

// Meta returns what SetMeta had stored under name, nil if nothing was.
func (s *Snapshot) Meta(name string) ([]byte, error) {
	key := appendMetaKey(nil, metaNamed+name)
	if !s.v.it.SeekPrefixGE(key) {
		return nil, s.v.it.Error()
	}
	b, err := s.v.it.ValueAndErr()
	return append([]byte{}, b...), err
}

// each is Store.each on the view.
func (v *View) each(lower, upper []byte, fn func(key, value []byte) error) error {
	it, err := v.it.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{LowerBound: lower, UpperBound: upper}})
	if err != nil {
		return err
	}
	return eachRow(it, fn)
}
