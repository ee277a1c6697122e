package externalsort

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
)

// The read buffers of the runs of the file share readBytes during the merge, but each has runReadBytesMin: 100 GiB of records in runs of 8 MiB take
// 12,800 runs and 100 MiB.
const readBytes, runReadBytesMin, runReadBytesMax = 16 << 20, 8 << 10, 256 << 10

// Config says how a Sorter sorts.
type Config struct {
	// Dir is where the temporary file is, and Pattern what os.CreateTemp names it by.
	Dir, Pattern string
	// RunBytes is how much is gathered in memory before it is sorted, as a run. One that is being sorted is in memory too.
	RunBytes int
}

// Sorter orders records by key, byte by byte: add them all, then walk them once with Each, or in parts with Parts. Records of equal keys stay in the
// order in which they were added. It is for one goroutine, and Close must end it.
//
// A run is sorted, and written in this order, by a goroutine of its own while the next one is gathered: runs are merged by reading each
// from front to back. A record in memory, and in the file, is
//
//	key length 4 bytes | value length 4 bytes | key | value
type Sorter struct {
	cfg Config
	now gathered
	// spare is the memory of a run that is sorted.
	spare gathered
	// sorting is what the run that is being sorted ends with, nil if there is none.
	sorting chan sorted

	file *os.File
	runs []run
	// end is where the file ends.
	end int64
}

// gathered are records in memory: blocks hold them, at has where each begins. The one block of a Sorter grows, and is the arena until it is sorted.
type gathered struct {
	arena  []byte
	blocks [][]byte
	at     []place
	// other is the memory from which places are sorted, and to which.
	other []place
	// shared is how many bytes all keys begin with, once they are sorted.
	shared  int
	touched byte // for the compiler to believe in a use
}

// place is where a record begins. The head of its key, without what all keys of the run begin with, decides most comparisons: it is there, and the
// key somewhere else in memory.
type place struct {
	head         uint64
	block, start uint32
}

const placeBytes = 8 + 8

func (g *gathered) bytes() int { return len(g.arena) + placeBytes*len(g.at) }

// sorted is how the sorting of a run has ended.
type sorted struct {
	run
	spare gathered
	err   error
}

const headerBytes = 4 + 4

// arenaBytesMin is how much memory a Sorter begins with.
const arenaBytesMin = 64 << 10

// New returns an empty Sorter.
func New(cfg Config) *Sorter { return &Sorter{cfg: cfg} }

// Add takes one record; appendValue appends the value to what it is given.
func (s *Sorter) Add(key []byte, appendValue func([]byte) ([]byte, error)) error {
	start := len(s.now.arena)
	if s.now.arena == nil || cap(s.now.arena)-start < headerBytes+len(key) {
		// It doubles: append would copy large ones more often.
		s.now.arena = slices.Grow(s.now.arena, max(start, headerBytes+len(key), arenaBytesMin))
	}
	arena := binary.LittleEndian.AppendUint32(s.now.arena, uint32(len(key)))
	arena = append(arena, 0, 0, 0, 0)
	arena = append(arena, key...)
	valueStart := len(arena)
	arena, err := appendValue(arena)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(arena[start+4:], uint32(len(arena)-valueStart))
	s.now.arena = arena
	s.now.at = append(s.now.at, place{start: uint32(start)})
	if s.now.bytes() >= s.cfg.RunBytes {
		return s.endRun()
	}
	return nil
}

// sortArena sorts what a Sorter has gathered.
func (g *gathered) sortArena() {
	g.blocks = append(g.blocks[:0], g.arena)
	g.sort()
}

// sort orders the places by their keys. Those of equal keys stay in their order.
func (g *gathered) sort() {
	g.shared = 0
	if len(g.at) == 0 {
		return
	}
	first := g.key(g.at[0])
	g.shared = len(first)
	for i, p := range g.at {
		key := g.key(p)
		g.at[i].head = head(key) // which is right unless something is shared: keys are somewhere else in memory
		g.shared = commonBytes(first[:g.shared], key)
	}
	for i := 0; i < len(g.at) && g.shared > 0; i++ {
		g.at[i].head = head(g.key(g.at[i])[g.shared:])
	}
	g.sortHeads()
	for begin, end := 0, 0; begin < len(g.at); begin = end {
		for end = begin + 1; end < len(g.at) && g.at[end].head == g.at[begin].head; end++ {
		}
		if end-begin > 1 {
			slices.SortFunc(g.at[begin:end], func(a, b place) int {
				return cmp.Or(bytes.Compare(g.key(a)[g.shared:], g.key(b)[g.shared:]), cmp.Compare(a.block, b.block), cmp.Compare(a.start, b.start))
			})
		}
	}
}

// sortHeads orders the places by their heads: by one byte of them after another from the last one, leaving out those that all have. Numbers of eight
// bytes are sorted several times as fast as by comparing them.
func (g *gathered) sortHeads() {
	differing := uint64(0)
	for _, p := range g.at {
		differing |= p.head ^ g.at[0].head
	}
	g.other = slices.Grow(g.other[:0], len(g.at))[:len(g.at)]
	for shift := 0; shift < 64; shift += 8 {
		if byte(differing>>shift) == 0 {
			continue
		}
		var next [1 << 8]int // where the next one with this byte goes
		for _, p := range g.at {
			next[byte(p.head>>shift)]++
		}
		begin := 0
		for b, n := range next {
			next[b] = begin
			begin += n
		}
		for _, p := range g.at {
			b := byte(p.head >> shift)
			g.other[next[b]] = p
			next[b]++
		}
		g.at, g.other = g.other, g.at
	}
}

// commonBytes returns how many bytes both begin with.
func commonBytes(a, b []byte) int {
	n := min(len(a), len(b))
	if bytes.Equal(a[:n], b[:n]) {
		return n
	}
	for n = 0; a[n] == b[n]; n++ {
	}
	return n
}

// head is the beginning of a key as a number. Where two are equal the keys may still differ.
func head(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var h uint64
	for i, b := range key {
		h |= uint64(b) << (56 - 8*i)
	}
	return h
}

func (g *gathered) key(p place) []byte {
	b := g.blocks[p.block][p.start:]
	return b[headerBytes:][:binary.LittleEndian.Uint32(b)]
}

// record returns the record's key and value, and all of it.
func (g *gathered) record(p place) (key, value, whole []byte) {
	b := g.blocks[p.block][p.start:]
	key, value, rest := splitRecord(b)
	return key, value, b[:len(b)-len(rest)]
}

// splitRecord returns the first of some records, and the others.
func splitRecord(b []byte) (key, value, rest []byte) {
	keyEnd := headerBytes + binary.LittleEndian.Uint32(b)
	end := keyEnd + binary.LittleEndian.Uint32(b[4:])
	return b[headerBytes:keyEnd], b[keyEnd:end], b[end:]
}

// addStarts adds the records of a block, which begin in so many places.
func (g *gathered) addStarts(block []byte, starts []uint32) {
	number := uint32(len(g.blocks))
	g.blocks = append(g.blocks, block)
	for _, start := range starts {
		g.at = append(g.at, place{block: number, start: start})
	}
}

// add adds the records of a block.
func (g *gathered) add(block []byte) {
	number := uint32(len(g.blocks))
	g.blocks = append(g.blocks, block)
	for rest := block; len(rest) > 0; {
		g.at = append(g.at, place{block: number, start: uint32(len(block) - len(rest))})
		_, _, rest = splitRecord(rest)
	}
}

// endRun has what was gathered sorted as one more run, which stays in memory if there is room.
func (s *Sorter) endRun() error {
	if err := s.settle(); err != nil {
		return err
	}
	if s.file == nil {
		f, err := os.CreateTemp(s.cfg.Dir, s.cfg.Pattern)
		if err != nil {
			return fmt.Errorf("sort: %w", err)
		}
		s.file = f
	}
	done := make(chan sorted, 1)
	go func(g gathered, offset int64) {
		g.sortArena()
		r, err := s.write(&g, offset)
		done <- sorted{run: r, spare: g, err: err}
	}(s.now, s.end)
	s.sorting = done
	s.now, s.spare = gathered{arena: s.spare.arena[:0], at: s.spare.at[:0], other: s.spare.other}, gathered{}
	return nil
}

// settle waits for the run that is being sorted.
func (s *Sorter) settle() error {
	if s.sorting == nil {
		return nil
	}
	done := <-s.sorting
	s.sorting, s.spare = nil, done.spare
	if done.err != nil {
		return fmt.Errorf("sort: %w", done.err)
	}
	s.runs = append(s.runs, done.run)
	s.end += done.size
	return nil
}

// Each calls fn with all records in the order of keys. fn may not keep the slices.
func (s *Sorter) Each(fn func(key, value []byte) error) error {
	if err := s.endLast(); err != nil {
		return err
	}
	return s.merge(Part{s: s, of: 1}, fn)
}

// endLast ends the last run. It stays in memory if nothing is in the file.
func (s *Sorter) endLast() error {
	if s.file != nil && len(s.now.at) > 0 {
		if err := s.endRun(); err != nil {
			return err
		}
	}
	if err := s.settle(); err != nil {
		return err
	}
	if last := s.now; len(last.at) > 0 {
		last.sortArena()
		s.runs = append(s.runs, s.keep(&last))
	}
	s.now, s.spare = gathered{}, gathered{}
	return nil
}

// Close removes the temporary file, and lets go of memory. A second Close does nothing.
func (s *Sorter) Close() error {
	err := s.settle()
	s.now, s.spare, s.runs = gathered{}, gathered{}, nil
	if s.file == nil {
		return err
	}
	f := s.file
	s.file = nil
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}
