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

// merge walks a part of all runs at once.
func (s *Sorter) merge(p Part, fn func(key, value []byte) error) error {
	var heads heads
	shared := s.shared()
	bufferBytes := min(max(readBytes/(len(s.runs)+1)/p.of, runReadBytesMin), runReadBytesMax)
	for i, r := range s.runs {
		begin, end := r.stretch(p.from, p.to)
		if begin == end {
			continue
		}
		h := &runHead{run: i, to: p.to, shared: shared}
		if r.kept == nil {
			h.file = bufio.NewReaderSize(io.NewSectionReader(s.file, r.offset+begin, end-begin), bufferBytes)
		} else {
			h.memory = r.kept[begin:end]
		}
		switch err := h.nextFrom(p.from); {
		case err == nil:
			heads = append(heads, h)
		case !errors.Is(err, io.EOF):
			return fmt.Errorf("sort: %w", err)
		}
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

// shared returns how many bytes all keys begin with.
func (s *Sorter) shared() (n int) {
	for i, r := range s.runs {
		if i == 0 {
			n = r.shared
		}
		n = commonBytes(s.runs[0].marks[0].key[:n], r.marks[0].key[:r.shared])
	}
	return n
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
	// to is the key behind the last one, nil for the end.
	to []byte
	// memory has what is behind the head, unless file does.
	memory []byte
	file   *bufio.Reader
	// held is how much of file's buffer the head is in. A record that is longer is in record.
	held       int
	record     []byte
	key, value []byte
	// head is the beginning of the key behind the bytes that all share.
	head   uint64
	shared int
}

// before tells which of two records comes first: of equal keys that of the earlier run.
func (h *runHead) before(other *runHead) bool {
	if h.head != other.head {
		return h.head < other.head
	}
	order := bytes.Compare(h.key, other.key)
	return order < 0 || order == 0 && h.run < other.run
}

// nextFrom passes over what is below a key.
func (h *runHead) nextFrom(from []byte) error {
	for {
		if err := h.next(); err != nil || bytes.Compare(h.key, from) >= 0 {
			return err
		}
	}
}

// next returns io.EOF behind the last record.
func (h *runHead) next() error {
	if h.file != nil {
		if err := h.read(); err != nil {
			return err
		}
	} else {
		if len(h.memory) == 0 {
			return io.EOF
		}
		keyBytes, valueBytes := binary.LittleEndian.Uint32(h.memory), binary.LittleEndian.Uint32(h.memory[4:])
		whole := h.memory[:headerBytes+keyBytes+valueBytes]
		h.key, h.value, h.memory = whole[headerBytes:][:keyBytes], whole[headerBytes+keyBytes:], h.memory[len(whole):]
	}
	if h.to != nil && bytes.Compare(h.key, h.to) >= 0 {
		return io.EOF
	}
	h.head = head(h.key[h.shared:])
	return nil
}

func (h *runHead) read() error {
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
