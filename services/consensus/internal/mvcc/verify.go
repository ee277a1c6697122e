package mvcc

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"
)

// ErrDamaged is returned by Verify when the state does not hold what was written to it.
var ErrDamaged = errors.New("the state on disk is not what was written to it")

// verifyChunkBytes is about how much Verify reads between two calls of its pace.
const verifyChunkBytes = 1 << 20

// Verify reads all that is current, as of one moment, and compares it with the digest that was kept while it was written.
// It returns ErrDamaged if they differ, or if keys do not fit the lists of what leases hold, of what expires, and of counts. So it finds what
// no checksum shows: a file that was exchanged, a byte that turned over in memory on its way to disk, a bug of the storage
// engine. Where the digest is not known yet, because the directory was written by a program that keeps none, it is what is
// found here.
//
// After each verifyChunkBytes it calls pace with what it has read since; an error of pace ends it. Files that are
// replaced meanwhile are held no longer than a chunk takes.
func (s *Store) Verify(ctx context.Context, pace func(ctx context.Context, read int) error) (err error) {
	snapshot := s.db.NewSnapshot()
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	v := verification{ctx: ctx, snapshot: snapshot, pace: pace}
	if err := v.read(); err != nil {
		if errors.Is(err, errBadRecord) || errors.Is(err, errBadKey) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return err
	}
	return v.judge(s)
}

// verification is one run of Verify.
type verification struct {
	ctx      context.Context
	snapshot *pebble.Snapshot
	pace     func(context.Context, int) error
	readNow  int

	position position
	// sum is that of all that was read.
	sum uint64
	// keys is how many there are, counted how many there should be.
	keys, counted int64
	// attached is the sum of what the keys say of their leases, listed that of the leases' lists.
	attached, listed uint64
	// ending and due are the same of what ends.
	ending, due uint64
}

func (v *verification) read() error {
	if err := v.readPosition(); err != nil {
		return err
	}
	for _, part := range []struct {
		of   space
		take func(k, b []byte) error
	}{
		{spaceVersion, v.takeVersion},
		{spaceLease, v.takeLease},
		{spaceDir, v.takeDir},
		{spaceAlarm, v.takeAlarm},
		{spaceRecord, v.takeRecord},
		{spaceAttachment, v.takeAttachment},
		{spaceExpiry, v.takeExpiry},
		{spaceCount, v.takeCount},
	} {
		if err := v.scan(part.of, part.take); err != nil {
			return err
		}
	}
	return nil
}

func (v *verification) readPosition() error {
	v.position = freshPosition()
	b, closer, err := v.snapshot.Get(appendMetaKey(nil, metaPosition))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(decodePosition(b, &v.position), closer.Close())
}

// scan calls take for the rows of a space, of versions for the newest of each key. It begins with a new iterator after
// each chunk: an iterator keeps the files that it began with.
func (v *verification) scan(of space, take func(k, b []byte) error) error {
	lower, upper := of.bounds()
	for lower != nil {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		it, err := v.snapshot.NewIterWithContext(v.ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: upper})
		if err != nil {
			return err
		}
		lower, err = v.chunk(it, take)
		if err := errors.Join(err, it.Close()); err != nil {
			return err
		}
		if v.readNow >= verifyChunkBytes {
			read := v.readNow
			v.readNow = 0
			if err := v.pace(v.ctx, read); err != nil {
				return err
			}
		}
	}
	return nil
}

// chunk reads until it is enough, and returns where to go on, nil at the end.
func (v *verification) chunk(it *pebble.Iterator, take func(k, b []byte) error) ([]byte, error) {
	for ok := it.First(); ok; ok = it.NextPrefix() {
		if v.readNow >= verifyChunkBytes {
			return bytes.Clone(it.Key()), nil
		}
		b, err := it.ValueAndErr()
		if err != nil {
			return nil, err
		}
		v.readNow += len(it.Key()) + len(b)
		if err := take(it.Key(), b); err != nil {
			return nil, err
		}
	}
	return nil, it.Error()
}

func (v *verification) takeVersion(k, b []byte) error {
	var r Row
	var err error
	if r.Key, r.Revision, err = splitVersionKey(k); err != nil {
		return err
	}
	if err := decodeRecord(b, &r.Record); err != nil || r.Tombstone {
		return err
	}
	key := xxhash.Sum64(r.Key)
	v.keys++
	v.sum += r.hash(key)
	if r.Lease != 0 {
		v.attached += hashAttachment(r.Lease, key)
	}
	if r.Expiration != 0 {
		v.ending += hashExpiry(r.Expiration, expiryFile, key)
	}
	return nil
}

func (v *verification) takeLease(k, b []byte) error {
	id, err := splitLeaseKey(k)
	if err != nil {
		return err
	}
	times, err := decodeLease(b)
	if err != nil {
		return err
	}
	v.sum += hashLease(id, times)
	return nil
}

func (v *verification) takeDir(k, b []byte) error {
	path, err := splitDirKey(k)
	if err != nil {
		return err
	}
	dir, err := decodeDir(b)
	if err != nil {
		return err
	}
	v.sum += hashDir(path, dir)
	if dir.Expiration != 0 {
		v.ending += hashExpiry(dir.Expiration, expiryDir, xxhash.Sum64(path))
	}
	return nil
}

func (v *verification) takeAlarm(k, b []byte) error {
	a, err := alarmOf(k, b)
	if err != nil {
		return err
	}
	v.sum += hashAlarm(a)
	return nil
}

func (v *verification) takeRecord(k, b []byte) error {
	name, err := splitRecordKey(k)
	if err != nil {
		return err
	}
	v.sum += hashRecord(name, b)
	return nil
}

func (v *verification) takeAttachment(k, _ []byte) error {
	lease, key, err := splitAttachmentKey(k)
	if err != nil {
		return err
	}
	v.listed += hashAttachment(lease, xxhash.Sum64(key))
	return nil
}

func (v *verification) takeExpiry(k, _ []byte) error {
	at, kind, path, err := splitExpiryKey(k)
	if err != nil {
		return err
	}
	v.due += hashExpiry(at, kind, xxhash.Sum64(path))
	return nil
}

func (v *verification) takeCount(_, b []byte) error {
	n, err := decodeCount(b)
	v.counted += n
	return err
}

// judge compares what was found with what should have been.
func (v *verification) judge(s *Store) error {
	at := fmt.Sprintf("at log index %d, revision %d", v.position.index, v.position.revision)
	switch {
	case v.attached != v.listed:
		return fmt.Errorf("%w: %s, the keys that leases list are not those that have them", ErrDamaged, at)
	case v.ending != v.due:
		return fmt.Errorf("%w: %s, the list of what expires is not of what does", ErrDamaged, at)
	case v.keys != v.counted:
		return fmt.Errorf("%w: %s, there are %d keys and the index of counts has %d", ErrDamaged, at, v.keys, v.counted)
	case v.position.known && v.position.sum != v.sum:
		return fmt.Errorf("%w: %s, its %d keys and what is beside them hash to %x, and should to %x", ErrDamaged, at, v.keys, v.sum, v.position.sum)
	case !v.position.known:
		base := v.sum - v.position.sum
		s.base.CompareAndSwap(nil, &base)
	}
	return nil
}
