package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/batchrepr"
	"github.com/cockroachdb/pebble/v2/wal"
)

var discardLog = slog.New(slog.DiscardHandler)

// The kinds of a chunk: a record is one, or a first, middles and a last.
const (
	walKindFull = walKindFirst + iota
	walKindBegin
	walKindMiddle
	walKindEnd
)

// readWALs takes what is whole in write-ahead files, the oldest first.
func (d *dumping) readWALs() error {
	d.records = map[string][]byte{}
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	files := map[wal.NumWAL]string{}
	var numbers []wal.NumWAL
	for _, entry := range entries {
		if number, _, ok := wal.ParseLogFilename(entry.Name()); ok {
			files[number] = filepath.Join(d.dir, entry.Name())
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	for _, number := range numbers {
		if err := d.readWAL(files[number], uint32(number)); err != nil {
			return fmt.Errorf("read %s: %w", files[number], err)
		}
	}
	return nil
}

// readWAL takes what is whole in one. What is damaged is passed over, up to the next chunk that is whole; the entries that it had show as missing.
func (d *dumping) readWAL(path string, number uint32) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var (
		block [walBlockSize]byte
		whole []byte // of the record so far, nil outside of one
	)
	for base := int64(0); ; base += walBlockSize {
		n, err := io.ReadFull(f, block[:])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		for at := 0; at < n; {
			size, _, ok := chunkAt(block[:n], at, number)
			if !ok {
				next := nextChunk(block[:n], at, number)
				if blank(block[at:next]) {
					at = next
					continue // the rest of a block, or a part that was never written
				}
				if next < n || d.goesOn(block[at:next], number) {
					if err := d.Damage(Damage{Err: fmt.Errorf("%s is damaged at byte %d, and is read on at byte %d", path, base+int64(at), base+int64(next))}); err != nil {
						return err
					}
				}
				whole, at = nil, next
				continue
			}
			payload := block[at+walHeaderSize : at+size]
			switch block[at+6] {
			case walKindFull:
				whole = nil
				err = d.takeBatch(payload)
			case walKindBegin:
				whole = append([]byte{}, payload...)
			case walKindMiddle, walKindEnd:
				if whole == nil {
					break // its beginning is damaged
				}
				whole = append(whole, payload...)
				if block[at+6] == walKindEnd {
					err = d.takeBatch(whole)
					whole = nil
				}
			}
			if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				return err
			}
			at += size
		}
	}
}

// goesOn tells whether what cannot be read at the end of a block is of this file: it may be left of one that this file reuses.
func (d *dumping) goesOn(rest []byte, number uint32) bool {
	found := false
	eachNumber(rest, 0, number, func(int) bool { found = true; return false })
	return found
}

// nextChunk returns where the next chunk that is whole begins, the length of the block if there is none.
func nextChunk(block []byte, at int, number uint32) int {
	next := len(block)
	eachNumber(block, at, number, func(candidate int) bool {
		_, _, ok := chunkAt(block, candidate, number)
		if ok {
			next = candidate
		}
		return !ok
	})
	return next
}

// takeBatch takes the entries and records of a batch.
func (d *dumping) takeBatch(repr []byte) error {
	for r := batchrepr.Read(bytes.Clone(repr)); ; {
		kind, key, value, ok, err := r.Next()
		if err != nil {
			return d.Damage(Damage{Err: err})
		}
		if !ok {
			return nil
		}
		if kind != pebble.InternalKeyKindSet {
			continue
		}
		if _, err := entryIndex(key); err != nil {
			d.records[string(key)] = value
			continue
		}
		if err := d.keep(key, value); err != nil {
			return err
		}
	}
}
