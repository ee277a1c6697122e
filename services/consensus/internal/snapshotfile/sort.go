package snapshotfile

import (
	"bufio"
	"bytes"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/quoratedb/quorate/pkg/budget"
)

const (
	// runBytes is how much a sorter gathers in memory before it writes a sorted run.
	runBytes = budget.SnapshotSort
	// runReadBytes is the read buffer of each run during the merge: 100 GiB of state take 12,800 runs and 100 MiB.
	runReadBytes = 8 << 10
)

// sorter orders records by key: add them all, then walk them once with each. What does not fit in memory goes to a
// temporary file, one sorted run after another; a record there is
//
//	key length 1 byte | value length 4 bytes | key | value
type sorter struct {
	dir      string
	runBytes int

	arena []byte   // records, encoded as in the file
	at    []uint32 // where each record in the arena begins

	file *os.File
	runs []run
	end  int64
}

// run is a stretch of the file.
type run struct{ offset, size int64 }

const recordHeaderSize = 1 + 4

// add takes one record; appendValue appends the value to what it is given.
func (s *sorter) add(key []byte, appendValue func([]byte) ([]byte, error)) error {
	start := len(s.arena)
	s.arena = append(s.arena, byte(len(key)), 0, 0, 0, 0)
	s.arena = append(s.arena, key...)
	valueStart := len(s.arena)
	arena, err := appendValue(s.arena)
	if err != nil {
		return err
	}
	s.arena = arena
	binary.LittleEndian.PutUint32(s.arena[start+1:], uint32(len(s.arena)-valueStart))
	s.at = append(s.at, uint32(start))
	if len(s.arena) >= s.runBytes {
		return s.spill()
	}
	return nil
}

func (s *sorter) sort() {
	slices.SortFunc(s.at, func(a, b uint32) int { return bytes.Compare(s.keyAt(a), s.keyAt(b)) })
}

func (s *sorter) keyAt(start uint32) []byte {
	n := uint32(s.arena[start])
	return s.arena[start+recordHeaderSize:][:n]
}

// recordAt returns the record's key and value, and all of it.
func (s *sorter) recordAt(start uint32) (key, value, whole []byte) {
	keySize := uint32(s.arena[start])
	valueSize := binary.LittleEndian.Uint32(s.arena[start+1:])
	whole = s.arena[start:][:recordHeaderSize+keySize+valueSize]
	return whole[recordHeaderSize:][:keySize], whole[recordHeaderSize+keySize:], whole
}

// spill writes what is in memory as one more run.
func (s *sorter) spill() error {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, tempPrefix+"sort-*")
		if err != nil {
			return fmt.Errorf("sort versions: %w", err)
		}
		s.file = f
	}
	s.sort()
	w := bufio.NewWriterSize(s.file, 1<<20)
	size := int64(0)
	for _, start := range s.at {
		_, _, whole := s.recordAt(start)
		size += int64(len(whole))
		if _, err := w.Write(whole); err != nil {
			return fmt.Errorf("sort versions: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("sort versions: %w", err)
	}
	s.runs = append(s.runs, run{offset: s.end, size: size})
	s.end += size
	s.arena, s.at = s.arena[:0], s.at[:0]
	return nil
}

// each calls fn with all records in the order of keys. fn may not keep the slices.
func (s *sorter) each(fn func(key, value []byte) error) error {
	if s.file == nil {
		s.sort()
		for _, start := range s.at {
			key, value, _ := s.recordAt(start)
			if err := fn(key, value); err != nil {
				return err
			}
		}
		return nil
	}
	if len(s.at) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.arena, s.at = nil, nil
	return s.merge(fn)
}

func (s *sorter) merge(fn func(key, value []byte) error) error {
	var heads runHeap
	for _, r := range s.runs {
		head := &runHead{r: bufio.NewReaderSize(io.NewSectionReader(s.file, r.offset, r.size), runReadBytes)}
		if err := head.next(); err != nil {
			return fmt.Errorf("sort versions: %w", err)
		}
		heads = append(heads, head)
	}
	heap.Init(&heads)
	for len(heads) > 0 {
		head := heads[0]
		if err := fn(head.key, head.value); err != nil {
			return err
		}
		switch err := head.next(); {
		case err == nil:
			heap.Fix(&heads, 0)
		case errors.Is(err, io.EOF):
			heap.Pop(&heads)
		default:
			return fmt.Errorf("sort versions: %w", err)
		}
	}
	return nil
}

// close removes the temporary file. A second close does nothing.
func (s *sorter) close() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// runHead is the record at which the merge of a run stands.
type runHead struct {
	r          *bufio.Reader
	record     []byte
	key, value []byte
}

// next returns io.EOF behind the last record.
func (h *runHead) next() error {
	var header [recordHeaderSize]byte
	if _, err := io.ReadFull(h.r, header[:]); err != nil {
		return err
	}
	keySize, valueSize := int(header[0]), int(binary.LittleEndian.Uint32(header[1:]))
	h.record = slices.Grow(h.record[:0], keySize+valueSize)[:keySize+valueSize]
	if _, err := io.ReadFull(h.r, h.record); err != nil {
		return errors.Join(io.ErrUnexpectedEOF, err)
	}
	h.key, h.value = h.record[:keySize], h.record[keySize:]
	return nil
}

// runHeap has the lowest key in front.
type runHeap []*runHead

func (h runHeap) Len() int           { return len(h) }
func (h runHeap) Less(i, j int) bool { return bytes.Compare(h[i].key, h[j].key) < 0 }
func (h runHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)        { *h = append(*h, x.(*runHead)) }
func (h *runHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
