package mvcc

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// Current reads what is committed and current, all as of one moment: also what stands beside the keys and has no old
// versions. It is for one goroutine and must be closed.
type Current struct {
	ctx context.Context
	it  *pebble.Iterator
	key []byte
	position
}

// Current begins to read what is current. That may be newer than what Revision has told just before. Reading ends with ctx.
//
// The position must be that of the rows. If no commit was under way from before the iterator was made until after, it is the
// one that readers see then; else it is read from its own row, which is in the batch with the others.
func (s *Store) Current(ctx context.Context) (*Current, error) {
	before := s.commits.Load()
	known := s.state.Load().position
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{})
	if err != nil {
		return nil, err
	}
	c := &Current{ctx: ctx, it: it, position: known}
	if before%2 == 0 && s.commits.Load() == before {
		return c, nil
	}
	c.position = freshPosition()
	if err := c.readPosition(); err != nil {
		return nil, errors.Join(err, it.Close())
	}
	return c, nil
}

func (c *Current) readPosition() error {
	if !c.it.SeekPrefixGE(appendMetaKey(nil, metaPosition)) {
		return c.it.Error()
	}
	b, err := c.it.ValueAndErr()
	if err != nil {
		return err
	}
	return decodePosition(b, &c.position)
}

// Close ends the reading.
func (c *Current) Close() error { return c.it.Close() }

// Revision is the newest revision.
func (c *Current) Revision() int64 { return c.revision }

// Applied is the newest log entry in it.
func (c *Current) Applied() (index, term uint64) { return c.index, c.term }

// Get reads the newest version of a key into r, and tells whether the key exists. What r refers to is valid until the next
// call.
func (c *Current) Get(key []byte, r *Row) (bool, error) {
	c.key = appendVersionKey(c.key[:0], key, NewestRevision)
	return seekVersion(c.it, c.key, key, r)
}

// Scan calls fn with the span's keys, in order, until fn wants no more. The row is fn's until it returns.
func (c *Current) Scan(s Span, fn func(*Row) (more bool, err error)) error {
	return scanVersions(c.ctx, c.it, s, NewestRevision, nil, fn)
}

// Dir returns the record of a directory, nil if it has none.
func (c *Current) Dir(path []byte) (*Dir, error) { return seekDir(c.it, appendDirKey(nil, path)) }

// ScanDirs calls fn with the records of directories in [low, high), in order, until fn wants no more.
func (c *Current) ScanDirs(low, high []byte, fn func(path []byte, dir *Dir) (more bool, err error)) error {
	return scanDirs(c.ctx, c.it, low, high, fn)
}
