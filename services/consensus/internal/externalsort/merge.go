package externalsort

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// merge walks all runs at once.
func (s *Sorter) merge(fn func(key, value []byte) error) error {
	var heads heads
	bufferBytes := min(max(readBytes/(len(s.runs)+1), runReadBytesMin), runReadBytesMax)
	for i, r := range s.runs {
		h := &runHead{run: i, memory: r.gathered}
		if r.size > 0 {
			h.file = bufio.NewReaderSize(io.NewSectionReader(s.file, r.offset, r.size), bufferBytes)
		}
		if err := h.next(); err != nil {
			return fmt.Errorf("sort: %w", err)
		}
		heads = append(heads, h)
	}
	slices.SortFunc(heads, func(a, b *runHead) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	for len(heads) > 0 {
		first := heads[0]
		if err := fn(first.key, first.value); err != nil {
			return err
		}
		switch err := first.next(); {
		case err == nil:
		case errors.Is(err, io.EOF):
			last := len(heads) - 1
			heads[0], heads = heads[last], heads[:last]
		default:
			return fmt.Errorf("sort: %w", err)
		}
		heads.sink()
	}
	return nil
}

// heads is a heap: the lowest is in front.
type heads []*runHead

// sink puts the first one where it belongs.
func (h heads) sink() {
	for at := 0; ; {
		least := 2*at + 1
		if least >= len(h) {
			return
		}
		if right := least + 1; right < len(h) && h[right].before(h[least]) {
			least = right
		}
		if h[at].before(h[least]) {
			return
		}
		h[at], h[least] = h[least], h[at]
		at = least
	}
}

// runHead is the record at which the merge of a run stands.
type runHead struct {
	run int
	// memory has the run, unless file does; behind is the record behind the head.
	memory gathered
	behind int
	file   *bufio.Reader
	// held is how much of file's buffer the head is in. A record that is longer is in record.
	held       int
	record     []byte
	key, value []byte
}

// before tells which of two records comes first: of equal keys that of the earlier run.
func (h *runHead) before(other *runHead) bool {
	order := bytes.Compare(h.key, other.key)
	return order < 0 || order == 0 && h.run < other.run
}

// next returns io.EOF behind the last record.
func (h *runHead) next() error {
	if h.file == nil {
		if h.behind == len(h.memory.at) {
			return io.EOF
		}
		h.key, h.value, _ = h.memory.record(h.memory.at[h.behind].start)
		h.behind++
		return nil
	}
	_, _ = h.file.Discard(h.held) // it is in the buffer
	h.held = 0
	header, err := h.file.Peek(headerBytes)
	switch {
	case err != nil && len(header) > 0:
		return errors.Join(io.ErrUnexpectedEOF, err)
	case err != nil:
		return err
	}
	keyBytes, valueBytes := int(binary.LittleEndian.Uint32(header)), int(binary.LittleEndian.Uint32(header[4:]))
	whole := headerBytes + keyBytes + valueBytes
	if whole <= h.file.Size() {
		h.record, err = h.file.Peek(whole)
		h.held = whole
	} else {
		h.record = make([]byte, whole)
		_, err = io.ReadFull(h.file, h.record)
	}
	if err != nil {
		return errors.Join(io.ErrUnexpectedEOF, err)
	}
	h.key, h.value = h.record[headerBytes:][:keyBytes], h.record[headerBytes+keyBytes:]
	return nil
}
