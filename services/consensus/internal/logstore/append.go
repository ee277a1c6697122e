package logstore

import (
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Append writes entries and hard state (either may be empty) in one batch: after a crash both are there, or neither.
// Entries replace the log from the first of them on, so an append may leave the log shorter than it was; those that
// were truncated already are skipped. With sync it returns once they, and everything written before, are durable.
// Without sync they may be lost in a crash, with all that was written after them.
//
// The Store keeps the entries and the hard state: nobody may change them from now on. It returns ErrGap, changing
// nothing, or ErrFailed, after which nothing more can be written and how much was written is unknown.
func (s *Store) Append(entries []*raftpb.Entry, hs *raftpb.HardState, sync bool) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.checkWritableLocked(); err != nil {
		return err
	}
	before := s.currentView()
	entries, err := continuing(entries, before)
	if err != nil {
		return err
	}
	start := time.Now()
	if len(entries) == 0 && raft.IsEmptyHardState(hs) {
		if !sync {
			return nil
		}
		return s.engine.sync()
	}

	batch := s.engine.db.NewBatchWithSize(batchBytes(entries))
	defer func() { _ = batch.Close() }()
	if err := stageEntries(batch, entries, before); err != nil {
		return err
	}
	if !raft.IsEmptyHardState(hs) {
		if err := setMessage(batch, hardStateKey, hs); err != nil {
			return err
		}
	}
	size := batch.Len()
	s.hideReplaced(entries)
	if err := s.engine.commit(batch, sync); err != nil {
		return err
	}
	s.metrics.appended(size, sync, start)

	s.mu.Lock()
	defer s.mu.Unlock()
	if len(entries) > 0 {
		s.mu.lastIndex = entries[len(entries)-1].GetIndex()
		s.mu.tail.put(entries)
		for _, e := range entries {
			s.mu.sizes.add(e.GetIndex(), uint64(entryBytes(e)))
		}
	}
	if !raft.IsEmptyHardState(hs) {
		s.mu.hardState = hs
	}
	return nil
}

// hideReplaced takes the entries that will be replaced out of view. What goes is gone for readers before it is gone from
// the disk, and what comes is there for them after it: so one that finds less on the disk than it saw before knows why.
// A write that fails after it changes nothing more: the Store has failed.
func (s *Store) hideReplaced(by []*raftpb.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(by) > 0 && by[0].GetIndex() <= s.mu.lastIndex {
		s.mu.lastIndex = by[0].GetIndex() - 1
		s.mu.tail.cutFrom(by[0].GetIndex())
		s.mu.sizes.cutFrom(by[0].GetIndex())
		s.mu.rest.end = min(s.mu.rest.end, by[0].GetIndex())
	}
}

// continuing returns the entries that are not truncated away already, or ErrGap.
func continuing(entries []*raftpb.Entry, v view) ([]*raftpb.Entry, error) {
	for len(entries) > 0 && entries[0].GetIndex() <= v.truncatedIndex {
		entries = entries[1:]
	}
	if len(entries) == 0 {
		return nil, nil
	}
	if first := entries[0].GetIndex(); first > v.lastIndex+1 {
		return nil, fmt.Errorf("%w: append of entry %d to a log that ends at %d", ErrGap, first, v.lastIndex)
	}
	for i := 1; i < len(entries); i++ {
		if a, b := entries[i-1].GetIndex(), entries[i].GetIndex(); b != a+1 {
			return nil, fmt.Errorf("%w: append of entry %d after entry %d", ErrGap, b, a)
		}
	}
	return entries, nil
}

// batchBytes estimates the size of a batch, so that it is allocated once.
func batchBytes(entries []*raftpb.Entry) int {
	size := 256 // hard state, deletion and batch header
	for _, e := range entries {
		size += entryBytes(e)
	}
	return size
}

// stageEntries adds the entries, and the deletion of what the log held above the last of them.
func stageEntries(b *pebble.Batch, entries []*raftpb.Entry, before view) error {
	for _, e := range entries {
		if err := stageEntry(b, e); err != nil {
			return err
		}
	}
	if len(entries) == 0 {
		return nil
	}
	if last := entries[len(entries)-1].GetIndex(); last < before.lastIndex {
		return b.DeleteRange(entryKey(last+1), entryKey(before.lastIndex+1), nil)
	}
	return nil
}

// stageEntry encodes an entry straight into the batch: key, checksum, message.
func stageEntry(b *pebble.Batch, e *raftpb.Entry) error {
	size := proto.Size(e)
	op := b.SetDeferred(entryKeySize, checksumSize+size)
	putEntryKey(op.Key, e.GetIndex())
	out, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(op.Value[checksumSize:checksumSize], e)
	if err != nil || len(out) != size {
		return fmt.Errorf("encode entry %d: %d bytes instead of %d: %w", e.GetIndex(), len(out), size, err)
	}
	putChecksum(op.Value, op.Key)
	return op.Finish()
}

// Truncate forgets the entries up to and including upTo, which must not be above the last one; below the first one it
// does nothing. The term of upTo is remembered. It writes one range deletion and does not wait for the disk: after a
// crash the entries may be back.
func (s *Store) Truncate(upTo uint64) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.checkWritableLocked(); err != nil {
		return err
	}
	before := s.currentView()
	if upTo <= before.truncatedIndex {
		return nil
	}
	if upTo > before.lastIndex {
		return fmt.Errorf("%w: truncation up to entry %d of a log that ends at %d", ErrGap, upTo, before.lastIndex)
	}
	term, err := s.Term(upTo)
	if err != nil {
		return fmt.Errorf("truncate raft log: %w", err)
	}

	batch := s.engine.db.NewBatch()
	defer func() { _ = batch.Close() }()
	if err := batch.DeleteRange(entryKey(before.truncatedIndex+1), entryKey(upTo+1), nil); err != nil {
		return err
	}
	if err := set(batch, truncatedKey, packPair(upTo, term)); err != nil {
		return err
	}
	s.mu.Lock() // before the disk: see hideReplaced
	s.mu.truncatedIndex, s.mu.truncatedTerm = upTo, term
	s.mu.tail.cutTo(upTo)
	s.mu.sizes.cutTo(upTo)
	s.mu.Unlock()
	return s.engine.commit(batch, false)
}

// Reset drops all entries and lets the log restart behind index, as after a snapshot taken there, or with index 0 on
// first start. The configuration becomes cs at that index. A hard state that is behind is raised to the index and its
// term, because raft refuses one that is not. The blobs are stored as by SetBlob: after a crash all of it is there, or
// nothing. It returns once that is durable.
func (s *Store) Reset(index, term uint64, cs *raftpb.ConfState, with ...Blob) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.checkWritableLocked(); err != nil {
		return err
	}
	before := s.currentView()
	after := before
	after.truncatedIndex, after.truncatedTerm, after.lastIndex = index, term, index
	after.confState, after.confIndex = cloneConfState(cs), index
	after.hardState = raisedHardState(before.hardState, index, term)

	batch := s.engine.db.NewBatch()
	defer func() { _ = batch.Close() }()
	if before.lastIndex > before.truncatedIndex {
		if err := batch.DeleteRange(entryKey(before.truncatedIndex+1), entryKey(before.lastIndex+1), nil); err != nil {
			return err
		}
	}
	if err := set(batch, truncatedKey, packPair(index, term)); err != nil {
		return err
	}
	if err := stageConfState(batch, after.confState, index); err != nil {
		return err
	}
	for _, blob := range with {
		if err := set(batch, blobKey(blob.Name), blob.Data); err != nil {
			return err
		}
	}
	if after.hardState != nil {
		if err := setMessage(batch, hardStateKey, after.hardState); err != nil {
			return err
		}
	}
	s.mu.Lock() // before the disk: see hideReplaced
	s.mu.view = after
	s.mu.tail.clear()
	s.mu.sizes, s.mu.rest = sizes{}, rest{}
	s.mu.Unlock()
	return s.engine.commit(batch, true)
}

// raisedHardState returns hs with at least the given commit index and term. A vote belongs to its term and goes with it.
func raisedHardState(hs *raftpb.HardState, index, term uint64) *raftpb.HardState {
	if hs.GetCommit() >= index && hs.GetTerm() >= term {
		return hs
	}
	raised := &raftpb.HardState{
		Term:   new(max(hs.GetTerm(), term)),
		Vote:   new(hs.GetVote()),
		Commit: new(max(hs.GetCommit(), index)),
	}
	if term > hs.GetTerm() {
		raised.Vote = new(raft.None)
	}
	return raised
}
