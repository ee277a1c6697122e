package externalsort

import (
	"bufio"
	"bytes"
	"io"
	"sort"
)

// run is a sorted stretch of the file, or of memory, kept, if there is nothing in the file.
type run struct {
	kept         []byte
	offset, size int64
	marks        []mark
	// shared is how many bytes all keys begin with.
	shared int
}

// mark is the key of a record of a run, and where it is there. The first record has one, and then one for each stretch of about markBytes.
type mark struct {
	key []byte
	at  int64
}

// marksPerRun is how many marks a run of Config.RunBytes has.
const marksPerRun = 128

// each calls fn with the records of what is sorted, in order, and returns the run's size and marks.
func (s *Sorter) each(g *gathered, fn func(whole []byte) error) (r run, err error) {
	r.shared = g.shared
	marked := int64(0)
	for i, p := range g.at {
		key, _, whole := g.record(p)
		if i == 0 || r.size-marked >= int64(s.cfg.RunBytes/marksPerRun) {
			marked = r.size
			r.marks = append(r.marks, mark{bytes.Clone(key), r.size})
		}
		r.size += int64(len(whole))
		if err := fn(whole); err != nil {
			return r, err
		}
	}
	return r, nil
}

// keep moves what is sorted to memory of its own.
func (s *Sorter) keep(g *gathered) run {
	kept := make([]byte, 0, len(g.arena))
	r, _ := s.each(g, func(whole []byte) error {
		kept = append(kept, whole...)
		return nil
	})
	r.kept = kept
	return r
}

// write writes what is sorted to the file.
func (s *Sorter) write(g *gathered, offset int64) (run, error) {
	w := bufio.NewWriterSize(io.NewOffsetWriter(s.file, offset), writeBytes)
	r, err := s.each(g, func(whole []byte) error {
		_, err := w.Write(whole)
		return err
	})
	r.offset = offset
	if err != nil {
		return r, err
	}
	return r, w.Flush()
}

// writeBytes is how much of a run is written at a time.
const writeBytes = 1 << 20

// stretch returns where in the run all records are with keys from the one up to the other, nil for the ends, and some others at both sides.
func (r *run) stretch(from, to []byte) (begin, end int64) {
	end = r.size
	if from != nil {
		if n := sort.Search(len(r.marks), func(i int) bool { return bytes.Compare(r.marks[i].key, from) >= 0 }); n > 0 {
			begin = r.marks[n-1].at
		}
	}
	if to != nil {
		if n := sort.Search(len(r.marks), func(i int) bool { return bytes.Compare(r.marks[i].key, to) >= 0 }); n < len(r.marks) {
			end = r.marks[n].at
		}
	}
	return begin, end
}
