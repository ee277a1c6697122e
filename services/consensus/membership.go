package consensus

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// Names of the state store's records about membership.
const (
	metaMembers   = "members"
	metaConfState = "confstate"
)

// membership is who belongs to the cluster. It is part of the replicated state: the applier changes it, everyone may
// read the newest list.
type membership struct {
	members atomic.Pointer[[]*consensusv1.Member] // ascending by id; immutable
}

// loadMembership reads the members and raft's configuration at the state's applied index.
func loadMembership(store *mvcc.Store) (*membership, *raftpb.ConfState, error) {
	stored := &consensusv1.MembersResponse{}
	confState := &raftpb.ConfState{}
	for name, message := range map[string]proto.Message{metaMembers: stored, metaConfState: confState} {
		encoded, err := store.Meta(name)
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", name, err)
		}
		if err := proto.Unmarshal(encoded, message); err != nil {
			return nil, nil, fmt.Errorf("decode %s: %w", name, err)
		}
	}
	m := &membership{}
	members := stored.GetMembers()
	m.members.Store(&members)
	return m, confState, nil
}

// list returns the members, ascending by id. They must not be changed.
func (m *membership) list() []*consensusv1.Member {
	return *m.members.Load()
}

// publish records a member's name and client URLs. A member that was removed meanwhile is passed over.
func (m *membership) publish(batch *mvcc.Batch, op *consensusv1.PublishOp) error {
	old := m.list()
	i := slices.IndexFunc(old, func(member *consensusv1.Member) bool { return member.GetId() == op.GetMemberId() })
	if i < 0 {
		return nil
	}
	updated := proto.CloneOf(old[i])
	updated.Name, updated.ClientUrls = op.GetName(), op.GetClientUrls()
	members := slices.Clone(old)
	members[i] = updated
	m.members.Store(&members)
	return m.write(batch)
}

// change applies a committed membership change; store must follow in the same batch.
func (m *membership) change(change *raftpb.ConfChange) error {
	members := slices.DeleteFunc(slices.Clone(m.list()), func(member *consensusv1.Member) bool {
		return member.GetId() == change.GetNodeId()
	})
	switch change.GetType() {
	case raftpb.ConfChangeRemoveNode:
	case raftpb.ConfChangeAddNode, raftpb.ConfChangeAddLearnerNode, raftpb.ConfChangeUpdateNode:
		member := &consensusv1.Member{}
		if err := proto.Unmarshal(change.GetContext(), member); err != nil {
			return fmt.Errorf("decode the member of a membership change: %w", err)
		}
		member.Id = change.GetNodeId()
		member.IsLearner = change.GetType() == raftpb.ConfChangeAddLearnerNode
		members = append(members, member)
	}
	slices.SortFunc(members, func(a, b *consensusv1.Member) int { return cmp.Compare(a.GetId(), b.GetId()) })
	m.members.Store(&members)
	return nil
}

// store writes the members and the configuration that raft derived from them.
func (m *membership) store(batch *mvcc.Batch, confState *raftpb.ConfState) error {
	encoded, err := proto.Marshal(confState)
	if err != nil {
		return fmt.Errorf("encode the raft configuration: %w", err)
	}
	batch.SetMeta(metaConfState, encoded)
	return m.write(batch)
}

func (m *membership) write(batch *mvcc.Batch) error {
	encoded, err := proto.Marshal(&consensusv1.MembersResponse{Members: m.list()})
	if err != nil {
		return fmt.Errorf("encode the members: %w", err)
	}
	batch.SetMeta(metaMembers, encoded)
	return nil
}

func decodeConfChange(entry *raftpb.Entry) (*raftpb.ConfChange, error) {
	if entry.GetType() != raftpb.EntryConfChange {
		return nil, fmt.Errorf("entries of type %s are not part of this log's format", entry.GetType())
	}
	change := &raftpb.ConfChange{}
	if err := proto.Unmarshal(entry.GetData(), change); err != nil {
		return nil, fmt.Errorf("decode a membership change: %w", err)
	}
	return change, nil
}

// memberID prints an id as etcd's tools do.
func memberID(id uint64) string {
	return fmt.Sprintf("%x", id)
}
