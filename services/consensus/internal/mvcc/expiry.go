package mvcc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// When files and directories end is listed beside the keys, so that what is due is found without a look at all of them.

// Kinds in the keys of expiries. At the same time, a file goes before a directory.
const (
	expiryFile byte = iota
	expiryDir
)

func appendExpiryKey(dst []byte, at int64, kind byte, path []byte) []byte {
	dst = append(dst, byte(spaceExpiry))
	dst = binary.BigEndian.AppendUint64(dst, uint64(at))
	dst = append(dst, kind)
	dst = append(dst, path...)
	return append(dst, 0)
}

func splitExpiryKey(k []byte) (at int64, kind byte, path []byte, err error) {
	if len(k) < 1+8+1+2 || k[0] != byte(spaceExpiry) || k[len(k)-1] != 0 {
		return 0, 0, nil, fmt.Errorf("expiry %x: %w", k, errBadKey)
	}
	return int64(binary.BigEndian.Uint64(k[1:])), k[9], bytes.Clone(k[10 : len(k)-1]), nil
}

// expiryBounds returns the stretch of expiries up to and including a time.
func expiryBounds(until int64) (lower, upper []byte) {
	lower, upper = spaceExpiry.bounds()
	if until < math.MaxInt64 {
		upper = binary.BigEndian.AppendUint64([]byte{byte(spaceExpiry)}, uint64(until+1))
		upper = append(upper, 0)
	}
	return lower, upper
}

// moveExpiry keeps the list of files that end.
func moveExpiry(b *Batch, path []byte, from, to int64) { moveExpiryOf(b, expiryFile, path, from, to) }

func moveExpiryOf(b *Batch, kind byte, path []byte, from, to int64) {
	if from == to {
		return
	}
	if from != 0 {
		b.now.usage.live -= expiryRowBytes + int64(len(path))
		b.w.delete(appendExpiryKey(b.w.keyBuf[:0], from, kind, path))
	}
	if to != 0 {
		b.now.usage.live += expiryRowBytes + int64(len(path))
		b.w.set(appendExpiryKey(b.w.keyBuf[:0], to, kind, path), nil)
	}
}

// DropExpiry takes the end of a file or directory off the list.
func (b *Batch) DropExpiry(at int64, dir bool, path []byte) {
	kind := expiryFile
	if dir {
		kind = expiryDir
	}
	b.w.delete(appendExpiryKey(b.w.keyBuf[:0], at, kind, path))
}

// Expiry is the end of a file, or directory.
type Expiry struct {
	At   int64
	Dir  bool
	Path []byte
}

// Due returns what has expired at a time, in nanoseconds since 1970, in the order of the expirations; at most so many.
func (s *Store) Due(now int64, limit int) ([]Expiry, error) {
	var due []Expiry
	lower, upper := expiryBounds(now)
	err := s.each(lower, upper, func(k, _ []byte) error {
		at, kind, path, err := splitExpiryKey(k)
		if err != nil {
			return err
		}
		due = append(due, Expiry{At: at, Dir: kind == expiryDir, Path: path})
		if len(due) == limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return due, err
}
