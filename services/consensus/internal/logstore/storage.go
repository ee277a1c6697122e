package logstore

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// InitialState implements raft.Storage. The hard state is nil before the first one was appended.
func (s *Store) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return nil, nil, ErrClosed
	}
	return s.mu.hardState, cloneConfState(s.mu.confState), nil
}

// FirstIndex implements raft.Storage.
func (s *Store) FirstIndex() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return 0, ErrClosed
	}
	return s.mu.truncatedIndex + 1, nil
}

// LastIndex implements raft.Storage.
func (s *Store) LastIndex() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return 0, ErrClosed
	}
	return s.mu.lastIndex, nil
}

// Snapshot implements raft.Storage. Without SetSnapshotFunc it returns raft.ErrSnapshotTemporarilyUnavailable.
func (s *Store) Snapshot() (*raftpb.Snapshot, error) {
	s.mu.Lock()
	provide := s.mu.snapshot
	s.mu.Unlock()
	if provide == nil {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return provide()
}

// Term implements raft.Storage.
func (s *Store) Term(index uint64) (uint64, error) {
	term, found, err := s.termInMemory(index)
	if found || err != nil {
		return term, err
	}
	key := entryKey(index)
	value, closer, err := s.engine.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, s.absent(index)
	}
	if err != nil {
		return 0, fmt.Errorf("read entry %d: %w", index, err)
	}
	defer func() { _ = closer.Close() }()
	e, err := decodeEntry(key, value)
	if err != nil {
		return 0, err
	}
	return e.GetTerm(), nil
}

func (s *Store) termInMemory(index uint64) (term uint64, found bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.closed:
		return 0, false, ErrClosed
	case index < s.mu.truncatedIndex:
		return 0, false, raft.ErrCompacted
	case index > s.mu.lastIndex:
		return 0, false, raft.ErrUnavailable
	case index == s.mu.truncatedIndex:
		return s.mu.truncatedTerm, true, nil
	case s.mu.tail.has(index):
		return s.mu.tail.from(index, index+1)[0].GetTerm(), true, nil
	}
	return 0, false, nil
}

// Entries implements raft.Storage. Recent entries come from memory, in a slice of their own.
func (s *Store) Entries(lo, hi, maxSize uint64) ([]*raftpb.Entry, error) {
	entries, found, err := s.entriesInMemory(lo, hi, maxSize)
	if found || err != nil {
		return entries, err
	}
	return s.entriesOnDisk(lo, hi, maxSize)
}

func (s *Store) entriesInMemory(lo, hi, maxSize uint64) (entries []*raftpb.Entry, found bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.closed:
		return nil, false, ErrClosed
	case lo <= s.mu.truncatedIndex:
		return nil, false, raft.ErrCompacted
	case lo > s.mu.lastIndex || hi > s.mu.lastIndex+1:
		return nil, false, raft.ErrUnavailable
	case lo >= hi:
		return nil, true, nil
	case !s.mu.tail.has(lo):
		return nil, false, nil
	}
	budget := sizeBudget{left: maxSize}
	for _, e := range s.mu.tail.from(lo, hi) {
		if !budget.take(e) {
			break
		}
		entries = append(entries, e)
	}
	return entries, true, nil
}

// entriesOnDisk reads below the tail. A truncation that overtakes it shows as a missing first entry.
func (s *Store) entriesOnDisk(lo, hi, maxSize uint64) (entries []*raftpb.Entry, err error) {
	it, err := s.engine.db.NewIter(&pebble.IterOptions{LowerBound: entryKey(lo), UpperBound: entryKey(hi)})
	if err != nil {
		return nil, fmt.Errorf("read entries from %d: %w", lo, err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()

	budget := sizeBudget{left: maxSize}
	next := lo
	for valid := it.First(); valid; valid = it.Next() {
		e, err := decodeEntry(it.Key(), it.Value())
		if err != nil {
			return nil, err
		}
		if e.GetIndex() != next {
			return nil, s.absent(next)
		}
		if !budget.take(e) {
			return entries, nil
		}
		entries = append(entries, e)
		next++
	}
	if err := it.Error(); err != nil {
		return nil, fmt.Errorf("read entries from %d: %w", lo, err)
	}
	if next < hi {
		return nil, s.absent(next)
	}
	return entries, nil
}

// absent says why an entry that was in the log a moment ago is not there.
func (s *Store) absent(index uint64) error {
	v := s.currentView()
	switch {
	case index <= v.truncatedIndex:
		return raft.ErrCompacted
	case index > v.lastIndex:
		return raft.ErrUnavailable
	}
	return fmt.Errorf("%w: entry %d of %d to %d is missing in %s", ErrCorrupt, index, v.truncatedIndex+1, v.lastIndex, s.engine.dir)
}

func (s *Store) currentView() view {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.view
}

// sizeBudget counts encoded bytes as raft does: the first entry always fits.
type sizeBudget struct {
	left    uint64
	started bool
}

func (b *sizeBudget) take(e *raftpb.Entry) bool {
	size := uint64(proto.Size(e))
	if b.started && size > b.left {
		return false
	}
	b.started = true
	b.left -= min(size, b.left)
	return true
}
