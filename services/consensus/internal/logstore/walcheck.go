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
	// walTrailerSize is the header of a chunk without a synced offset.
	walTrailerSize = walHeaderSize - 8
	// walKindFirst and walKindLast bound the kinds that carry a synced offset. A file of an older kind has no witness.
	walKindFirst = 9
	walKindLast  = 12
	// walSectorSize is what a disk writes whole or not at all, walBlankEnd how many zeros at the end of a chunk may be a part
	// that was not written, where a filesystem is less strict.
	walSectorSize = 512
	walBlankEnd   = 8
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

// tornTail is the end of a write-ahead file that cannot be read, and that Pebble drops: a write that was cut off.
type tornTail struct {
	path   string
	offset uint64
	// bytes is how much of the file was written behind the offset, as far as can be told.
	bytes uint64
}

// checkNewestWAL returns ErrCorrupt if the file is damaged and that cannot be a write that was cut off: a later intact chunk
// knows that the damaged one was durable, or all sectors of the damaged one were written. Otherwise it returns what is
// dropped, nil where nothing is.
func checkNewestWAL(fsys vfs.FS, path string, number uint32) (*tornTail, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	defer func() { _ = f.Close() }()

	var (
		block [walBlockSize]byte
		base  uint64 // offset of the block in the file
		tail  *damagedTail
	)
	for {
		n, err := io.ReadFull(f, block[:])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		start := 0
		if tail == nil {
			if start = intactChunks(block[:n], number); start < n {
				tail = newDamagedTail(block[:n], start, base, number)
			}
		} else if _, of, _, ok := anyChunkAt(block[:n], 0); ok && of != number {
			tail.reused = true
		}
		if tail != nil {
			if at, synced, ok := findWitness(block[:n], start, number, tail.offset); ok {
				return nil, fmt.Errorf("%w: file %s is damaged at offset %d, but the record at offset %d says that the first %d bytes "+
					"were durable; %s", ErrCorrupt, path, tail.offset, base+uint64(at), synced, recoverAdvice)
			}
			if end := lastChunkEnd(block[:n], start, number); end > 0 {
				tail.end = max(tail.end, base+uint64(end))
			}
		}
		base += uint64(n)
	}
	switch {
	case tail == nil || tail.end == 0:
		return nil, nil
	case tail.begun && !tail.torn && !tail.reused:
		return nil, fmt.Errorf("%w: file %s is damaged at offset %d, and that is no write that was cut off, because all of the record's "+
			"sectors were written; %s", ErrCorrupt, path, tail.offset, recoverAdvice)
	}
	return &tornTail{path: path, offset: tail.offset, bytes: min(tail.end, base) - tail.offset}, nil
}

// damagedTail is what is known of a file from its first damaged chunk on.
type damagedTail struct {
	offset uint64
	// begun says that there is a header of this file's. Without one, and without chunks behind it, the file ends here: what
	// follows is blank, or left of the file that this one reuses. end is where what was written to this file ends.
	begun bool
	end   uint64
	// torn says that some of the chunk was never written, which is blank in a file that is new; reused that this one is not,
	// so that blanks tell nothing.
	torn, reused bool
}

func newDamagedTail(block []byte, start int, base uint64, number uint32) *damagedTail {
	d := &damagedTail{offset: base + uint64(start)}
	if rest := block[start:]; len(rest) < walHeaderSize {
		// The file ends within a header, unless it is what Pebble puts behind a file that it closes: a chunk of the next
		// file's, without a synced offset.
		if !blank(rest) && (len(rest) < walTrailerSize || binary.LittleEndian.Uint32(rest[7:]) == number) {
			d.end, d.torn = base+uint64(len(block)), true
		}
		return d
	}
	header := block[start : start+walHeaderSize]
	kind, size := header[6], walHeaderSize+int(binary.LittleEndian.Uint16(header[4:]))
	if kind < walKindFirst || kind > walKindLast || binary.LittleEndian.Uint32(header[7:]) != number || start+size > walBlockSize {
		return d
	}
	d.begun, d.end = true, d.offset+uint64(size)
	if start+size > len(block) {
		d.torn = true
		return d
	}
	d.torn = neverWritten(block[start:start+size], start)
	// What is neither blank nor this file's is of another: its last block has none behind it that would say so.
	d.reused = !blank(block[max(start+size, lastChunkEnd(block, start+size, number)):])
	return d
}

// neverWritten tells whether one of the sectors that a chunk is on lacks all of it, or the chunk all of its end. A sector is
// written whole or not at all.
func neverWritten(chunk []byte, start int) bool {
	for at := 0; at < len(chunk); {
		next := min(at+walSectorSize-(start+at)%walSectorSize, len(chunk))
		if blank(chunk[at:next]) {
			return true
		}
		at = next
	}
	return blank(chunk[max(0, len(chunk)-walBlankEnd):])
}

func blank(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// lastChunkEnd returns where the last intact chunk of this file's ends in a block, 0 if there is none from start on.
func lastChunkEnd(block []byte, start int, number uint32) (end int) {
	eachNumber(block, start, number, func(at int) bool {
		if size, _, ok := chunkAt(block, at, number); ok {
			end = at + size
		}
		return true
	})
	return end
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

// findWitness looks for an intact chunk, at any offset from start on, whose synced offset is above the damage.
func findWitness(block []byte, start int, number uint32, damage uint64) (at int, synced uint64, ok bool) {
	eachNumber(block, start, number, func(candidate int) bool {
		if _, offset, intact := chunkAt(block, candidate, number); intact && offset > damage {
			at, synced, ok = candidate, offset, true
		}
		return !ok
	})
	return at, synced, ok
}

// eachNumber calls fn, until that returns false, with each offset where a chunk of this file's may begin. Where chunks begin
// is not known behind a damaged one, so it tries wherever the log number stands.
func eachNumber(block []byte, start int, number uint32, fn func(at int) bool) {
	const numberOffset = 7
	pattern := binary.LittleEndian.AppendUint32(nil, number)
	for from := start + numberOffset; from < len(block); from++ {
		i := bytes.Index(block[from:], pattern)
		if i < 0 {
			return
		}
		from += i
		if !fn(from - numberOffset) {
			return
		}
	}
}

// chunkAt returns the size, with header, and the synced offset of this file's chunk at an offset of a block, if it is intact.
func chunkAt(block []byte, at int, number uint32) (size int, synced uint64, ok bool) {
	if len(block)-at < walHeaderSize || binary.LittleEndian.Uint32(block[at+7:]) != number {
		return 0, 0, false
	}
	size, _, synced, ok = anyChunkAt(block, at)
	return size, synced, ok
}

// anyChunkAt is chunkAt for whichever file's chunk it is.
func anyChunkAt(block []byte, at int) (size int, number uint32, synced uint64, ok bool) {
	if len(block)-at < walHeaderSize {
		return 0, 0, 0, false
	}
	header := block[at : at+walHeaderSize]
	size = walHeaderSize + int(binary.LittleEndian.Uint16(header[4:]))
	kind := header[6]
	if kind < walKindFirst || kind > walKindLast || at+size > len(block) {
		return 0, 0, 0, false
	}
	if binary.LittleEndian.Uint32(header) != walChecksum(block[at+6:at+size]) {
		return 0, 0, 0, false
	}
	return size, binary.LittleEndian.Uint32(header[7:]), binary.LittleEndian.Uint64(header[11:]), true
}

// walChecksum is CRC-32C, rotated and shifted as LevelDB's family of stores does.
func walChecksum(data []byte) uint32 {
	c := crc32.Checksum(data, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}
