package logstore

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Identity says whose log this is. It never changes after it was set.
type Identity struct {
	MemberID  uint64
	ClusterID uint64
}

// SetIdentity stores the identity durably.
func (s *Store) SetIdentity(id Identity) error {
	err := s.write(true, func(b *pebble.Batch) error {
		return set(b, identityKey, packPair(id.MemberID, id.ClusterID))
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.identity, s.mu.hasIdentity = id, true
	return nil
}

// Identity returns what SetIdentity stored, and false if it never did.
func (s *Store) Identity() (Identity, bool) {
	v := s.currentView()
	return v.identity, v.hasIdentity
}

// Blob is a small named fact.
type Blob struct {
	Name string
	Data []byte
}

// SetBlob stores a small named fact durably, such as the cluster a member was first started with.
func (s *Store) SetBlob(name string, data []byte) error {
	return s.write(true, func(b *pebble.Batch) error { return set(b, blobKey(name), data) })
}

// Blob returns what SetBlob stored under the name, and false if it never did. The caller owns the slice.
func (s *Store) Blob(name string) ([]byte, bool, error) {
	return s.engine.get(blobKey(name))
}

// SetConfState stores, durably, the configuration as of the applied index. InitialState returns it from now on.
func (s *Store) SetConfState(cs *raftpb.ConfState, appliedIndex uint64) error {
	cs = cloneConfState(cs)
	err := s.write(true, func(b *pebble.Batch) error { return stageConfState(b, cs, appliedIndex) })
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.confState, s.mu.confIndex = cs, appliedIndex
	return nil
}

// ConfState returns what SetConfState or Reset stored last, and the applied index that it belongs to. The caller owns
// the message; it is empty, not nil, before the first one.
func (s *Store) ConfState() (*raftpb.ConfState, uint64) {
	v := s.currentView()
	return cloneConfState(v.confState), v.confIndex
}

// CheckApplied returns ErrMissing if the log ends before an index that the state machine has applied: entries that
// were committed, and possibly acknowledged, are gone from this member.
func (s *Store) CheckApplied(applied uint64) error {
	if v := s.currentView(); applied > v.lastIndex {
		return fmt.Errorf("%w: the log in %s ends at entry %d, but entry %d was applied; %s",
			ErrMissing, s.engine.dir, v.lastIndex, applied, recoverAdvice)
	}
	return nil
}

// write commits what stage adds to a batch, alone.
func (s *Store) write(sync bool, stage func(*pebble.Batch) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.checkWritableLocked(); err != nil {
		return err
	}
	batch := s.engine.db.NewBatch()
	defer func() { _ = batch.Close() }()
	if err := stage(batch); err != nil {
		return err
	}
	return s.engine.commit(batch, sync)
}

// stageConfState adds the applied index and the configuration: (7, cs) = pair(7, 0), message.
func stageConfState(b *pebble.Batch, cs *raftpb.ConfState, appliedIndex uint64) error {
	payload, err := proto.MarshalOptions{}.MarshalAppend(packPair(appliedIndex, 0), cs)
	if err != nil {
		return fmt.Errorf("encode configuration: %w", err)
	}
	return set(b, confStateKey, payload)
}

func decodeConfState(payload []byte) (*raftpb.ConfState, uint64, error) {
	if len(payload) < 16 {
		return nil, 0, fmt.Errorf("%w: configuration of %d bytes", ErrCorrupt, len(payload))
	}
	index, _, err := unpackPair(confStateKey, payload[:16])
	if err != nil {
		return nil, 0, err
	}
	cs := &raftpb.ConfState{}
	if err := proto.Unmarshal(payload[16:], cs); err != nil {
		return nil, 0, fmt.Errorf("%w: configuration: %w", ErrCorrupt, err)
	}
	return cs, index, nil
}

func cloneConfState(cs *raftpb.ConfState) *raftpb.ConfState {
	if cs == nil {
		return &raftpb.ConfState{}
	}
	return proto.Clone(cs).(*raftpb.ConfState)
}
