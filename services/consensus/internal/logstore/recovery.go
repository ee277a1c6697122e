package logstore

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// recover loads what readers see and verifies the newest entries: their checksums, their places, and that terms never
// fall. What it reads is what the state machine is about to replay anyway; the rest is for VerifyRest.
func (s *Store) recover() error {
	if err := s.checkVersion(); err != nil {
		return err
	}
	v, err := s.loadView()
	if err != nil {
		return s.engine.openError(err)
	}
	from, err := s.openFrom(v)
	if err != nil {
		return s.engine.openError(err)
	}
	last, tail, sizes, err := s.scanEntries(v, from)
	if err != nil {
		return s.engine.openError(err)
	}
	v.lastIndex = last
	if commit := v.hardState.GetCommit(); commit > last {
		return fmt.Errorf("%w: the log in %s ends at entry %d, but entry %d was committed; %s",
			ErrMissing, s.engine.dir, last, commit, recoverAdvice)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.view, s.mu.tail, s.mu.sizes, s.mu.rest = v, tail, sizes, rest{end: from}
	return nil
}

// checkVersion stamps a new log and refuses one of another layout.
func (s *Store) checkVersion() error {
	payload, found, err := s.engine.get(versionKey)
	switch {
	case err != nil:
		return s.engine.openError(err)
	case !found:
		return s.write(true, func(b *pebble.Batch) error { return set(b, versionKey, []byte{layoutVersion}) })
	case len(payload) != 1 || payload[0] != layoutVersion:
		return fmt.Errorf("%w: directory %s holds one of layout %x, and this program reads layout %d: start the version of the program that wrote it, or remove the member from the cluster and add it again with an empty data directory",
			ErrOtherLayout, s.engine.dir, payload, layoutVersion)
	}
	return nil
}

func (s *Store) loadView() (view, error) {
	v := view{confState: &raftpb.ConfState{}}
	load := []struct {
		key    []byte
		decode func(payload []byte) error
	}{
		{truncatedKey, func(p []byte) (err error) {
			v.truncatedIndex, v.truncatedTerm, err = unpackPair(truncatedKey, p)
			return err
		}},
		{identityKey, func(p []byte) (err error) {
			v.identity.MemberID, v.identity.ClusterID, err = unpackPair(identityKey, p)
			v.hasIdentity = true
			return err
		}},
		{confStateKey, func(p []byte) (err error) {
			v.confState, v.confIndex, err = decodeConfState(p)
			return err
		}},
		{hardStateKey, func(p []byte) error {
			v.hardState = &raftpb.HardState{}
			return proto.Unmarshal(p, v.hardState)
		}},
	}
	for _, l := range load {
		payload, found, err := s.engine.get(l.key)
		if err == nil && found {
			err = l.decode(payload)
		}
		if err != nil {
			return view{}, fmt.Errorf("record %q: %w", l.key, err)
		}
	}
	return v, nil
}

// scanEntries walks the entries from one on, and returns the index of the last one, those worth keeping in memory, and where the bytes are.
func (s *Store) scanEntries(v view, from uint64) (last uint64, kept tail, where sizes, err error) {
	it, err := s.engine.entries(from, 0)
	if err != nil {
		return 0, tail{}, sizes{}, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()

	last, term := from-1, v.truncatedTerm
	for valid := it.First(); valid; valid = it.Next() {
		e, err := decodeEntry(it.Key(), it.Value())
		if err != nil {
			return 0, tail{}, sizes{}, err
		}
		if err := follows(e, last, term); err != nil {
			return 0, tail{}, sizes{}, err
		}
		last, term = e.GetIndex(), e.GetTerm()
		kept.put([]*raftpb.Entry{e})
		where.add(last, uint64(entryBytes(e)))
	}
	return last, kept, where, it.Error()
}

// follows tells whether an entry may come behind the one of that index and term.
func follows(e *raftpb.Entry, last, term uint64) error {
	if e.GetIndex() != last+1 {
		return fmt.Errorf("%w: entry %d follows entry %d", ErrCorrupt, e.GetIndex(), last)
	}
	if e.GetTerm() < term {
		return fmt.Errorf("%w: entry %d has term %d, after term %d", ErrCorrupt, e.GetIndex(), e.GetTerm(), term)
	}
	return nil
}

// decodeEntry returns a copy that owns its memory.
func decodeEntry(key, value []byte) (*raftpb.Entry, error) {
	index, err := entryIndex(key)
	if err != nil {
		return nil, err
	}
	payload, err := unseal(key, value)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", index, err)
	}
	e := &raftpb.Entry{}
	if err := proto.Unmarshal(payload, e); err != nil {
		return nil, fmt.Errorf("%w: entry %d: %w", ErrCorrupt, index, err)
	}
	if e.GetIndex() != index {
		return nil, fmt.Errorf("%w: entry %d is stored as entry %d", ErrCorrupt, e.GetIndex(), index)
	}
	return e, nil
}
