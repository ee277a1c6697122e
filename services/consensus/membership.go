package consensus

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// Names of the state store's records about membership.
const (
	metaMembers   = "members"
	metaConfState = "confstate"
)

// membership is who belongs to the cluster, and who did. It is part of the replicated state: the applier changes it,
// everyone may read the newest version.
type membership struct {
	newest    atomic.Pointer[consensusv1.MembersResponse] // members ascending by id; immutable
	transport Transport
	self      uint64
	// shunned are members that the log is about to remove, and who must not be listened to until it has. See stores.force.
	shunned []uint64
	// incarnations are owned like the membership; nil in a scratch copy.
	incarnations *incarnations
	// removed is closed once the member itself is removed.
	removed chan struct{}
}

// loadMembership reads the members and raft's configuration at the state's applied index. Both are empty in a member
// that has not received a state yet.
func loadMembership(store *mvcc.Store, log *logstore.Store, transport Transport, self uint64) (*membership, *raftpb.ConfState, error) {
	version, confState, err := readMembership(store)
	if err != nil {
		return nil, nil, err
	}
	m := &membership{transport: transport, self: self, removed: make(chan struct{})}
	if m.incarnations, err = loadIncarnations(log); err != nil {
		return nil, nil, err
	}
	if len(version.GetMembers()) == 0 {
		m.newest.Store(version)
	} else {
		m.set(version)
	}
	return m, confState, nil
}

func readMembership(store *mvcc.Store) (*consensusv1.MembersResponse, *raftpb.ConfState, error) {
	version := &consensusv1.MembersResponse{}
	if err := readMeta(store, metaMembers, version); err != nil {
		return nil, nil, err
	}
	confState, err := readConfState(store)
	return version, confState, err
}

func readConfState(store *mvcc.Store) (*raftpb.ConfState, error) {
	confState := &raftpb.ConfState{}
	return confState, readMeta(store, metaConfState, confState)
}

func readMeta(store *mvcc.Store, name string, message proto.Message) error {
	encoded, err := store.Meta(name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if err := proto.Unmarshal(encoded, message); err != nil {
		return fmt.Errorf("decode %s: %w", name, err)
	}
	return nil
}

// set makes a version the newest one.
func (m *membership) set(version *consensusv1.MembersResponse) {
	before := m.newest.Swap(version)
	m.introduce(version)
	if gone := slices.Contains(version.GetRemovedIds(), m.self); gone && !slices.Contains(before.GetRemovedIds(), m.self) {
		close(m.removed)
	}
}

// introduce tells the transport whom to talk to.
func (m *membership) introduce(version *consensusv1.MembersResponse) {
	var peers []*consensusv1.Member
	for _, member := range version.GetMembers() {
		if slices.Contains(m.shunned, member.GetId()) {
			continue
		}
		if m.incarnations != nil {
			member = m.incarnations.fill(member)
		}
		peers = append(peers, member)
	}
	m.transport.SetPeers(peers)
	m.transport.SetRemoved(slices.Concat(version.GetRemovedIds(), m.shunned))
}

// Count is how many members there are.
func (m *membership) Count() int { return len(m.list()) }

// list returns the members, ascending by id. They must not be changed.
func (m *membership) list() []*consensusv1.Member { return m.newest.Load().GetMembers() }

// find returns a member, nil if it does not belong to the cluster.
func (m *membership) find(id uint64) *consensusv1.Member {
	for _, member := range m.list() {
		if member.GetId() == id {
			return member
		}
	}
	return nil
}

// wasRemoved tells whether an id was a member's and can never be again.
func (m *membership) wasRemoved(id uint64) bool {
	return slices.Contains(m.newest.Load().GetRemovedIds(), id)
}

// Publish records a member's name, client URLs and incarnation. A member that was removed meanwhile is passed over, and so is one
// with another incarnation: it has lost its data.
func (m *membership) Publish(batch replication.Batch, op *consensusv1.PublishOp) error {
	old := m.find(op.GetMemberId())
	if old == nil || otherIncarnation(old.GetIncarnation(), op.GetIncarnation()) {
		return nil
	}
	updated := proto.CloneOf(old)
	updated.Name, updated.ClientUrls = op.GetName(), op.GetClientUrls()
	updated.Incarnation = cmp.Or(op.GetIncarnation(), old.GetIncarnation())
	if err := m.incarnations.learn([]*consensusv1.Member{updated}); err != nil {
		return err
	}
	m.set(m.with(updated))
	return m.write(batch)
}

// with returns the newest version with a member added or replaced.
func (m *membership) with(member *consensusv1.Member) *consensusv1.MembersResponse {
	version := m.without(member.GetId())
	version.Members = append(version.Members, member)
	slices.SortFunc(version.Members, func(a, b *consensusv1.Member) int { return cmp.Compare(a.GetId(), b.GetId()) })
	return version
}

// without returns the newest version with a member left out.
func (m *membership) without(id uint64) *consensusv1.MembersResponse {
	newest := m.newest.Load()
	return &consensusv1.MembersResponse{
		Members: slices.DeleteFunc(slices.Clone(newest.GetMembers()), func(member *consensusv1.Member) bool {
			return member.GetId() == id
		}),
		RemovedIds: slices.Clone(newest.GetRemovedIds()),
	}
}

// Change applies a committed membership change, or returns a refusal of problem and changes nothing: then raft must be
// given an empty change in its place. Every member decides alike. Store must follow in the same batch.
func (m *membership) Change(change *raftpb.ConfChange) error {
	var member *consensusv1.Member
	if change.GetType() != raftpb.ConfChangeRemoveNode {
		member = &consensusv1.Member{}
		if err := proto.Unmarshal(change.GetContext(), member); err != nil {
			return fmt.Errorf("decode the member of a membership change: %w", err)
		}
		member.Id = change.GetNodeId()
		member.IsLearner = change.GetType() == raftpb.ConfChangeAddLearnerNode
	}
	if err := m.check(change, member); err != nil {
		return fmt.Errorf("membership change of %s: %w", identity.Format(change.GetNodeId()), err)
	}
	id := change.GetNodeId()
	old := m.find(id)
	switch change.GetType() {
	case raftpb.ConfChangeRemoveNode:
		version := m.without(id)
		version.RemovedIds = append(version.RemovedIds, id)
		version.RemovedIds = version.RemovedIds[max(0, len(version.RemovedIds)-removedIDsMax):]
		m.set(version)
	case raftpb.ConfChangeUpdateNode:
		updated := proto.CloneOf(old)
		updated.PeerUrls = member.GetPeerUrls()
		m.set(m.with(updated))
	default:
		if old != nil { // a promotion
			member = proto.CloneOf(old)
			member.IsLearner = false
		}
		m.set(m.with(member))
	}
	return nil
}

// check returns why a change is refused, or nil.
func (m *membership) check(change *raftpb.ConfChange, member *consensusv1.Member) error {
	id := change.GetNodeId()
	old := m.find(id)
	if m.wasRemoved(id) {
		return errdefs.ErrMemberRemoved
	}
	switch change.GetType() {
	case raftpb.ConfChangeRemoveNode:
		if old == nil {
			return errdefs.ErrMemberNotFound
		}
		return nil
	case raftpb.ConfChangeUpdateNode:
		if old == nil {
			return errdefs.ErrMemberNotFound
		}
		return m.checkURLs(id, member.GetPeerUrls())
	case raftpb.ConfChangeAddLearnerNode:
		if learners(m.list()) >= learnersMax {
			return errdefs.ErrTooManyLearners
		}
	case raftpb.ConfChangeAddNode:
		// A member that is there already is promoted by being added as a voter.
		if old != nil && len(member.GetPeerUrls()) == 0 {
			if !old.GetIsLearner() {
				return errdefs.ErrNotLearner
			}
			return nil
		}
		if old == nil && len(member.GetPeerUrls()) == 0 {
			return errdefs.ErrMemberNotFound
		}
	}
	if old != nil {
		return errdefs.ErrMemberExists
	}
	return m.checkURLs(id, member.GetPeerUrls())
}

// checkURLs refuses peer URLs that another member has.
func (m *membership) checkURLs(id uint64, urls []string) error {
	for _, member := range m.list() {
		if member.GetId() == id {
			continue
		}
		for _, url := range member.GetPeerUrls() {
			if slices.Contains(urls, url) {
				return errdefs.ErrPeerInUse
			}
		}
	}
	return nil
}

func learners(members []*consensusv1.Member) int {
	n := 0
	for _, member := range members {
		if member.GetIsLearner() {
			n++
		}
	}
	return n
}

// Store writes the members and the configuration that raft derived from them.
func (m *membership) Store(batch replication.Batch, confState *raftpb.ConfState) error {
	encoded, err := proto.Marshal(confState)
	if err != nil {
		return fmt.Errorf("encode the raft configuration: %w", err)
	}
	batch.SetMeta(metaConfState, encoded)
	return m.write(batch)
}

func (m *membership) write(batch replication.Batch) error {
	encoded, err := proto.Marshal(m.newest.Load())
	if err != nil {
		return fmt.Errorf("encode the members: %w", err)
	}
	batch.SetMeta(metaMembers, encoded)
	return nil
}
