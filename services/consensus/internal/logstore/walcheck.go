package logstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"
)

// Pebble's write-ahead file is a run of 32 KiB blocks. Records are cut into chunks that never cross a block's end; a
// rest too short for a chunk is zero. A chunk, in the format that every file of a Store has:
//
//	checksum 4 | payload size 2 | kind 1 | log number 4 | synced offset 8 | payload
//
// The checksum covers everything from kind on. The log number tells chunks of this file from leftovers of the file
// that it reuses. The synced offset says how much of this file was durable when the chunk was begun.
const (
	walBlockSize  = 32 << 10
	walHeaderSize = 4 + 2 + 1 + 4 + 8
	// walKindFirst and walKindLast bound the kinds that carry a synced offset. A file of an older kind has no witness.
	walKindFirst = 9
	walKindLast  = 12
)

type walFile struct {
	name   string
	number uint32
}

// newestWAL picks the write-ahead file that was being written last; its name is empty if there is none. Files with
// lower numbers were closed in order and Pebble is strict with those that it needs.
func newestWAL(names []string) walFile {
	var newest walFile
	var highest wal.NumWAL
	for _, name := range names {
		if number, _, ok := wal.ParseLogFilename(name); ok && (newest.name == "" || number > highest) {
			highest = number
			newest = walFile{name: name, number: uint32(number)}
		}
	}
	return newest
}

// checkNewestWAL returns ErrCorrupt if the file has a damaged chunk below an offset that a later intact chunk knows to
// have been durable. Damage without such a witness is a torn tail, which Pebble drops.
func checkNewestWAL(fsys vfs.FS, path string, number uint32) error {
	f, err := fsys.Open(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	defer func() { _ = f.Close() }()

	var (
		block   [walBlockSize]byte
		base    uint64 // offset of the block in the file
		damaged bool
		damage  uint64 // offset of the first chunk that cannot be read
	)
	for {
		n, err := io.ReadFull(f, block[:])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("read %s: %w", path, err)
		}
		start := 0
		if !damaged {
			start = intactChunks(block[:n], number)
			damaged, damage = start < n, base+uint64(start)
		}
		if damaged {
			if at, synced, ok := findWitness(block[:n], start, number, damage); ok {
				return fmt.Errorf("%w: file %s is damaged at offset %d, but the record at offset %d says that the first %d bytes "+
					"were durable; %s", ErrCorrupt, path, damage, base+uint64(at), synced, recoverAdvice)
			}
		}
		base += uint64(n)
	}
}

// intactChunks returns how far a block can be read: its length if to the end.
func intactChunks(block []byte, number uint32) int {
	at := 0
	for walBlockSize-at >= walHeaderSize {
		size, _, ok := chunkAt(block, at, number)
		if !ok {
			return at
		}
		at += size
	}
	return len(block)
}

// findWitness looks for an intact chunk, at any offset from start on, whose synced offset is above the damage. Where
// chunks begin is not known behind a damaged one, so it tries wherever the log number stands.
func findWitness(block []byte, start int, number uint32, damage uint64) (at int, synced uint64, ok bool) {
	const numberOffset = 7
	pattern := binary.LittleEndian.AppendUint32(nil, number)
	for from := start + numberOffset; from < len(block); from++ {
		i := bytes.Index(block[from:], pattern)
		if i < 0 {
			return 0, 0, false
		}
		from += i
		if _, synced, ok := chunkAt(block, from-numberOffset, number); ok && synced > damage {
			return from - numberOffset, synced, true
		}
	}
	return 0, 0, false
}

// chunkAt returns the size, with header, and the synced offset of the chunk at an offset of a block, if it is intact.
func chunkAt(block []byte, at int, number uint32) (size int, synced uint64, ok bool) {
	if len(block)-at < walHeaderSize {
		return 0, 0, false
	}
	header := block[at : at+walHeaderSize]
	size = walHeaderSize + int(binary.LittleEndian.Uint16(header[4:]))
	kind := header[6]
	if kind < walKindFirst || kind > walKindLast || binary.LittleEndian.Uint32(header[7:]) != number || at+size > len(block) {
		return 0, 0, false
	}
	if binary.LittleEndian.Uint32(header) != walChecksum(block[at+6:at+size]) {
		return 0, 0, false
	}
	return size, binary.LittleEndian.Uint64(header[11:]), true
}

// walChecksum is CRC-32C, rotated and shifted as LevelDB's family of stores does.
func walChecksum(data []byte) uint32 {
	c := crc32.Checksum(data, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}
