package externalsort

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// merge walks all runs at once.
func (s *Sorter) merge(fn func(key, value []byte) error) error {
	heads := runHeap{compare: s.cfg.Compare}
	for i, r := range s.runs {
		head := &runHead{run: i, r: bufio.NewReaderSize(io.NewSectionReader(s.file, r.offset, r.size), runReadBytes)}
		if err := head.next(); err != nil {
			return fmt.Errorf("sort: %w", err)
		}
		heads.heads = append(heads.heads, head)
	}
	heap.Init(&heads)
	for len(heads.heads) > 0 {
		head := heads.heads[0]
		if err := fn(head.key, head.value); err != nil {
			return err
		}
		switch err := head.next(); {
		case err == nil:
			heap.Fix(&heads, 0)
		case errors.Is(err, io.EOF):
			heap.Pop(&heads)
		default:
			return fmt.Errorf("sort: %w", err)
		}
	}
	return nil
}

// runHead is the record at which the merge of a run stands.
type runHead struct {
	run        int
	r          *bufio.Reader
	record     []byte
	key, value []byte
}

// next returns io.EOF behind the last record.
func (h *runHead) next() error {
	var header [headerBytes]byte
	if _, err := io.ReadFull(h.r, header[:]); err != nil {
		return err
	}
	keyBytes, valueBytes := int(binary.LittleEndian.Uint32(header[:])), int(binary.LittleEndian.Uint32(header[4:]))
	h.record = slices.Grow(h.record[:0], keyBytes+valueBytes)[:keyBytes+valueBytes]
	if _, err := io.ReadFull(h.r, h.record); err != nil {
		return errors.Join(io.ErrUnexpectedEOF, err)
	}
	h.key, h.value = h.record[:keyBytes], h.record[keyBytes:]
	return nil
}

// runHeap has the lowest key in front, and of equal ones the first run's.
type runHeap struct {
	heads   []*runHead
	compare func(a, b []byte) int
}

func (h *runHeap) Len() int { return len(h.heads) }

func (h *runHeap) Less(i, j int) bool {
	a, b := h.heads[i], h.heads[j]
	return cmp.Or(h.compare(a.key, b.key), cmp.Compare(a.run, b.run)) < 0
}

func (h *runHeap) Swap(i, j int) { h.heads[i], h.heads[j] = h.heads[j], h.heads[i] }
func (h *runHeap) Push(x any)    { h.heads = append(h.heads, x.(*runHead)) }

func (h *runHeap) Pop() any {
	last := len(h.heads) - 1
	x := h.heads[last]
	h.heads = h.heads[:last]
	return x
}
