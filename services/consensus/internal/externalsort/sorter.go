package externalsort

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// runReadBytes is the read buffer of each run during the merge: 100 GiB of records in runs of 8 MiB take 12,800 runs and 100 MiB.
const runReadBytes = 8 << 10

// Config says how a Sorter sorts.
type Config struct {
	// Dir is where the temporary file is, and Pattern what os.CreateTemp names it by.
	Dir, Pattern string
	// RunBytes is how much is gathered in memory before a sorted run goes to the file. A run that is on its way there is in memory too.
	RunBytes int
	// Compare orders keys.
	Compare func(a, b []byte) int
}

// Sorter orders records by key: add them all, then walk them once with Each. Records of equal keys stay in the order in which they
// were added. It is for one goroutine, and Close must end it.
//
// A run is sorted and written by a goroutine of its own while the next one is gathered. A record in memory, and in the file, is
//
//	key length 4 bytes | value length 4 bytes | key | value
type Sorter struct {
	cfg Config
	now gathered
	// spare is the memory of the run before, while that is not on its way to the file.
	spare gathered
	// spilling is what the run on its way ends with, nil if there is none.
	spilling chan spilled

	file *os.File
	runs []run
	end  int64
}

// gathered are records in memory: the arena holds them, at has where each begins.
type gathered struct {
	arena []byte
	at    []uint32
}

// spilled is how the way of a run to the file has ended.
type spilled struct {
	gathered
	run
	err error
}

// run is a stretch of the file.
type run struct{ offset, size int64 }

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
	s.now.at = append(s.now.at, uint32(start))
	if len(arena) >= s.cfg.RunBytes {
		return s.spill()
	}
	return nil
}

func (g *gathered) sort(compare func(a, b []byte) int) {
	slices.SortFunc(g.at, func(a, b uint32) int {
		if order := compare(g.key(a), g.key(b)); order != 0 {
			return order
		}
		return cmp.Compare(a, b)
	})
}

func (g *gathered) key(start uint32) []byte {
	n := binary.LittleEndian.Uint32(g.arena[start:])
	return g.arena[start+headerBytes:][:n]
}

// record returns the record's key and value, and all of it.
func (g *gathered) record(start uint32) (key, value, whole []byte) {
	keyBytes := binary.LittleEndian.Uint32(g.arena[start:])
	valueBytes := binary.LittleEndian.Uint32(g.arena[start+4:])
	whole = g.arena[start:][:headerBytes+keyBytes+valueBytes]
	return whole[headerBytes:][:keyBytes], whole[headerBytes+keyBytes:], whole
}

// spill sends what is in memory to the file as one more run.
func (s *Sorter) spill() error {
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
	done := make(chan spilled, 1)
	go func(g gathered, offset int64) {
		g.sort(s.cfg.Compare)
		size, err := g.write(io.NewOffsetWriter(s.file, offset))
		done <- spilled{g, run{offset, size}, err}
	}(s.now, s.end)
	s.spilling = done
	s.now, s.spare = gathered{s.spare.arena[:0], s.spare.at[:0]}, gathered{}
	return nil
}

func (g *gathered) write(to io.Writer) (size int64, err error) {
	w := bufio.NewWriterSize(to, 1<<20)
	for _, start := range g.at {
		_, _, whole := g.record(start)
		size += int64(len(whole))
		if _, err := w.Write(whole); err != nil {
			return size, err
		}
	}
	return size, w.Flush()
}

// settle waits for the run that is on its way.
func (s *Sorter) settle() error {
	if s.spilling == nil {
		return nil
	}
	done := <-s.spilling
	s.spilling, s.spare = nil, done.gathered
	if done.err != nil {
		return fmt.Errorf("sort: %w", done.err)
	}
	s.runs = append(s.runs, done.run)
	s.end += done.size
	return nil
}

// Each calls fn with all records in the order of keys. fn may not keep the slices.
func (s *Sorter) Each(fn func(key, value []byte) error) error {
	if s.file == nil {
		s.now.sort(s.cfg.Compare)
		for _, start := range s.now.at {
			key, value, _ := s.now.record(start)
			if err := fn(key, value); err != nil {
				return err
			}
		}
		return nil
	}
	if len(s.now.at) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	if err := s.settle(); err != nil {
		return err
	}
	s.now, s.spare = gathered{}, gathered{}
	return s.merge(fn)
}

// Close removes the temporary file. A second Close does nothing.
func (s *Sorter) Close() error {
	err := s.settle()
	if s.file == nil {
		return err
	}
	f := s.file
	s.file = nil
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}
