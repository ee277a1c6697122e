package membership

import (
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// Transport is what has to know who belongs to the cluster, and knows who of them can be reached.
type Transport interface {
	// SetPeers names the members to talk to from now on, this one among them.
	SetPeers(members []*consensusv1.Member)
	// SetRemoved names those never to listen to again.
	SetRemoved(ids []uint64)
	// ActiveSince returns since when a member can be reached, false if it cannot.
	ActiveSince(id uint64) (time.Time, bool)
}

// Members is who belongs to the cluster, and who did. It is part of the replicated state: the applier changes it,
// everyone may read the newest version.
type Members struct {
	newest    atomic.Pointer[consensusv1.MembersResponse] // members ascending by id; immutable
	transport Transport
	self      uint64
	// shunned are members that the log is about to remove, and who must not be listened to until it has.
	shunned []uint64
	// incarnations are owned like the membership.
	incarnations *incarnations
	// removed is closed once the member itself is removed.
	removed chan struct{}
}

// Load reads the members and raft's configuration at the state's applied index. Both are empty in a member that has not received
// a state yet.
func Load(state Records, log Notes, transport Transport, self uint64) (*Members, *raftpb.ConfState, error) {
	version, confState, err := Read(state)
	if err != nil {
		return nil, nil, err
	}
	m := &Members{transport: transport, self: self, removed: make(chan struct{})}
	if m.incarnations, err = loadIncarnations(log); err != nil {
		return nil, nil, err
	}
	if len(version.GetMembers()) == 0 {
		m.newest.Store(version)
	} else {
		m.Set(version)
	}
	return m, confState, nil
}

// Set makes a version the newest one. It belongs to the applier, and to who loads the members.
func (m *Members) Set(version *consensusv1.MembersResponse) {
	before := m.newest.Swap(version)
	m.introduce(version)
	if wasRemoved(version, m.self) && !wasRemoved(before, m.self) {
		close(m.removed)
	}
}

// Shun has the transport listen no more to members that the log is about to remove.
func (m *Members) Shun(ids []uint64) {
	m.shunned = append(m.shunned, ids...)
	m.introduce(m.Newest())
}

// introduce tells the transport whom to talk to.
func (m *Members) introduce(version *consensusv1.MembersResponse) {
	var peers []*consensusv1.Member
	for _, member := range version.GetMembers() {
		if !slices.Contains(m.shunned, member.GetId()) {
			peers = append(peers, m.incarnations.fill(member))
		}
	}
	m.transport.SetPeers(peers)
	m.transport.SetRemoved(slices.Concat(version.GetRemovedIds(), m.shunned))
}

// Newest is the newest version. It must not be changed.
func (m *Members) Newest() *consensusv1.MembersResponse { return m.newest.Load() }

// List returns the members, ascending by id. They must not be changed.
func (m *Members) List() []*consensusv1.Member { return m.Newest().GetMembers() }

// Find returns a member, nil if it does not belong to the cluster.
func (m *Members) Find(id uint64) *consensusv1.Member { return Find(m.Newest(), id) }

// Removed is closed once the member itself is removed.
func (m *Members) Removed() <-chan struct{} { return m.removed }

// Situation is the members as they are, and since when each can be reached.
func (m *Members) Situation(now time.Time) Situation {
	s := Situation{Version: m.Newest(), Self: m.self, Now: now, ReachedSince: map[uint64]time.Time{}}
	for _, member := range s.Version.GetMembers() {
		if since, ok := m.transport.ActiveSince(member.GetId()); ok {
			s.ReachedSince[member.GetId()] = since
		}
	}
	return s
}

// Count implements replication.Members.
func (m *Members) Count() int { return len(m.List()) }

// Publish implements replication.Members: it records a member's name, client URLs and incarnation. A member that was removed
// meanwhile is passed over, and so is one with another incarnation.
func (m *Members) Publish(batch replication.Batch, op *consensusv1.PublishOp) error {
	version, updated := publish(m.Newest(), op)
	if version == nil {
		return nil
	}
	if err := m.incarnations.learn([]*consensusv1.Member{updated}); err != nil {
		return err
	}
	m.Set(version)
	return writeMembers(batch, version)
}

// Change implements replication.Members: it applies a committed membership change, or returns a refusal and changes nothing. Store
// must follow in the same batch.
func (m *Members) Change(change *raftpb.ConfChange) error {
	version, err := Change(m.Newest(), change)
	if err != nil {
		return err
	}
	m.Set(version)
	return nil
}

// Store implements replication.Members.
func (m *Members) Store(batch replication.Batch, confState *raftpb.ConfState) error {
	return Write(batch, m.Newest(), confState)
}
