package logstore

import (
	"context"
	"errors"
	"fmt"
)

// openBytesDefault is how many bytes of the newest entries Open reads and verifies: twice what a member lets be replayed before it
// flushes its state, since raft ends the process over an entry that it cannot read. What is older is for members that are
// behind, and whoever asks for it has it checked as it is read.
const openBytesDefault = 128 << 20

// restChunkBytes is about how much VerifyRest reads between two calls of its pace.
const restChunkBytes = 1 << 20

// rest is the part of the log that Open did not read: the entries up to and without end.
type rest struct {
	end uint64
}

// openFrom returns the first entry that Open reads. What is in front is left to VerifyRest.
func (s *Store) openFrom(v view) (from uint64, err error) {
	it, err := s.engine.entries(0, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	bytes := 0
	for valid := it.Last(); valid; valid = it.Prev() {
		if from, err = entryIndex(it.Key()); err != nil {
			return 0, err
		}
		if bytes += len(it.Value()); bytes > s.openBytes {
			break
		}
	}
	if err := it.Error(); err != nil {
		return 0, err // damage among what is to be replayed: it is no beginning of what is older
	}
	if from == 0 || !it.First() {
		return v.truncatedIndex + 1, it.Error()
	}
	first, err := entryIndex(it.Key())
	if err == nil && first != v.truncatedIndex+1 {
		err = fmt.Errorf("%w: entry %d follows entry %d", ErrCorrupt, first, v.truncatedIndex)
	}
	return from, err
}

// VerifyRest verifies the entries that Open did not read, as Open verifies the others. Damage is an ErrCorrupt with what to do
// about it. After each restChunkBytes it calls pace with what it has read since; an error of pace ends it. Entries may be
// appended and truncated meanwhile. It is called at most once.
func (s *Store) VerifyRest(ctx context.Context, pace func(ctx context.Context, read int) error) error {
	s.mu.Lock()
	w := restWalk{s: s, last: s.mu.truncatedIndex, term: s.mu.truncatedTerm}
	s.mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if w.settle() {
			return nil
		}
		read, err := w.chunk()
		if err != nil && !w.overtaken() {
			return s.engine.openError(err)
		}
		if err := pace(ctx, read); err != nil {
			return err
		}
	}
}

// restWalk is one VerifyRest. last and term are those of the entry that it has come to.
type restWalk struct {
	s          *Store
	last, term uint64
	where      sizes
}

// overtaken tells whether the log was truncated beyond where the walk is, and brings it there.
func (w *restWalk) overtaken() bool {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.s.mu.truncatedIndex <= w.last {
		return false
	}
	w.last, w.term, w.where = w.s.mu.truncatedIndex, w.s.mu.truncatedTerm, sizes{}
	return true
}

// settle tells whether the walk is at its end, and then counts where its bytes are.
func (w *restWalk) settle() bool {
	w.overtaken()
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.last+1 < w.s.mu.rest.end {
		return false
	}
	w.where.cutFrom(w.s.mu.rest.end)
	w.s.mu.sizes.precede(w.where)
	w.s.mu.sizes.cutTo(w.s.mu.truncatedIndex)
	w.s.mu.rest = rest{}
	return true
}

func (w *restWalk) chunk() (read int, err error) {
	w.s.mu.Lock()
	end := w.s.mu.rest.end
	w.s.mu.Unlock()
	it, err := w.s.engine.entries(w.last+1, end)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	before := w.last
	for valid := it.First(); valid && read < restChunkBytes; valid = it.Next() {
		e, err := decodeEntry(it.Key(), it.Value())
		if err == nil {
			err = follows(e, w.last, w.term)
		}
		if err != nil {
			return read, err
		}
		w.last, w.term = e.GetIndex(), e.GetTerm()
		w.where.add(w.last, uint64(entryBytes(e)))
		read += len(it.Value())
	}
	if err := it.Error(); err != nil {
		return read, err
	}
	if w.last == before {
		return read, fmt.Errorf("%w: entry %d is missing", ErrCorrupt, w.last+1)
	}
	return read, nil
}
