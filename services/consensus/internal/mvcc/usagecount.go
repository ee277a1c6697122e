package mvcc

import (
	"bytes"
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// usageChunkBytes is about how much CountUsage reads between two calls of its pace.
const usageChunkBytes = 1 << 20

// CountUsage reads all that is stored, as of one moment, and completes Usage by it. It need be called only where Usage is
// not known: in a directory of a program that did not keep it, and after a compaction to before that. It hinders nobody.
//
// After each usageChunkBytes it calls pace with what it has read since; an error of pace ends it.
func (s *Store) CountUsage(ctx context.Context, pace func(ctx context.Context, read int) error) (err error) {
	snapshot := s.db.NewSnapshot()
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	c := usageCount{ctx: ctx, snapshot: snapshot, pace: pace}
	if err := c.read(); err != nil {
		return err
	}
	s.counted.Store(&countedUsage{
		live:      c.live - c.kept.live,
		compacted: c.position.compacted,
		freed:     c.kept.replaced + c.kept.spent - (c.retained - c.live),
	})
	return nil
}

// usageCount is one run of CountUsage.
type usageCount struct {
	ctx      context.Context
	snapshot *pebble.Snapshot
	pace     func(context.Context, int) error
	readNow  int

	position position
	// kept is the usage as it was kept up to the snapshot.
	kept usage
	// live is what is current, retained that and all else that is not compacted.
	live, retained int64
	// newest is the key whose newest version was read last, settled the one whose version at the compacted revision was.
	newest, settled []byte
}

func (c *usageCount) read() error {
	if err := c.readPosition(); err != nil {
		return err
	}
	for _, part := range []struct {
		of   space
		take func(k, b []byte) error
	}{
		{spaceVersion, c.takeVersion},
		{spaceHistory, c.takeHistory},
		{spaceLease, func(_, _ []byte) error { return c.takeLive(leaseRowBytes) }},
		{spaceAttachment, func(k, _ []byte) error {
			_, key, err := splitAttachmentKey(k)
			return errors.Join(err, c.takeLive(attachmentRowBytes+int64(len(key))))
		}},
		{spaceDir, func(k, _ []byte) error {
			path, err := splitDirKey(k)
			return errors.Join(err, c.takeLive(dirRowBytes+int64(len(path))))
		}},
		{spaceExpiry, func(k, _ []byte) error {
			_, _, path, err := splitExpiryKey(k)
			return errors.Join(err, c.takeLive(expiryRowBytes+int64(len(path))))
		}},
	} {
		if err := c.scan(part.of, part.take); err != nil {
			return err
		}
	}
	return nil
}

func (c *usageCount) readPosition() error {
	c.position = freshPosition()
	b, err := c.get(metaPosition)
	if err == nil && b != nil {
		err = decodePosition(b, &c.position)
	}
	if err != nil {
		return err
	}
	if b, err = c.get(metaUsage); err != nil || b == nil {
		return err
	}
	index, kept, err := decodeUsage(b)
	if index == c.position.index {
		c.kept = kept
	}
	return err
}

func (c *usageCount) get(name string) ([]byte, error) {
	b, closer, err := c.snapshot.Get(appendMetaKey(nil, name))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return bytes.Clone(b), closer.Close()
}

// scan calls take for the rows of a space. It begins with a new iterator after each chunk: an iterator keeps the files
// that it began with.
func (c *usageCount) scan(of space, take func(k, b []byte) error) error {
	lower, upper := of.bounds()
	for lower != nil {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		it, err := c.snapshot.NewIterWithContext(c.ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: upper})
		if err != nil {
			return err
		}
		lower, err = c.chunk(it, take)
		if err := errors.Join(err, it.Close()); err != nil {
			return err
		}
		read := c.readNow
		c.readNow = 0
		if err := c.pace(c.ctx, read); err != nil {
			return err
		}
	}
	return nil
}

// chunk reads until it is enough, and returns where to go on, nil at the end.
func (c *usageCount) chunk(it *pebble.Iterator, take func(k, b []byte) error) ([]byte, error) {
	for ok := it.First(); ok; ok = it.Next() {
		if c.readNow >= usageChunkBytes {
			return bytes.Clone(it.Key()), nil
		}
		b, err := it.ValueAndErr()
		if err != nil {
			return nil, err
		}
		c.readNow += len(it.Key()) + len(b)
		if err := take(it.Key(), b); err != nil {
			return nil, err
		}
	}
	return nil, it.Error()
}

// takeVersion counts what view.retained would name.
func (c *usageCount) takeVersion(k, b []byte) error {
	var r Row
	var err error
	if r.Key, r.Revision, err = splitVersionKey(k); err != nil {
		return err
	}
	if err := decodeRecord(b, &r.Record); err != nil {
		return err
	}
	first := c.newest == nil || !bytes.Equal(c.newest, r.Key)
	if first {
		c.newest = append(c.newest[:0], r.Key...)
	}
	if r.Revision <= c.position.compacted {
		if c.settled != nil && bytes.Equal(c.settled, r.Key) {
			return nil
		}
		c.settled = append(c.settled[:0], r.Key...)
		if r.Tombstone && r.Revision < c.position.compacted {
			return nil
		}
	}
	c.retained += r.bytes()
	if first && !r.Tombstone {
		c.live += r.bytes()
	}
	return nil
}

func (c *usageCount) takeHistory(k, b []byte) error {
	revision, _, err := splitHistoryKey(k)
	if err != nil {
		return err
	}
	var h change
	if err := decodeChange(b, &h); err != nil || revision < c.position.compacted {
		return err
	}
	c.retained += changeUsage(&h)
	return nil
}

// takeLive counts a row that has no older versions.
func (c *usageCount) takeLive(size int64) error {
	c.live += size
	c.retained += size
	return nil
}
