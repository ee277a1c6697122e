package consensus

import (
	"time"

	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Transport carries raft messages to other members. A lost message costs time, never correctness. No method may block.
type Transport interface {
	// Send may drop what it cannot queue. The messages are shared and must not be changed.
	Send(messages []*raftpb.Message)
	// SetPeers names the members to talk to from now on, the sender among them, and those never to listen to again.
	SetPeers(members []*consensusv1.Member, removed []uint64)
	// ActiveSince returns since when a member can be reached, false if it cannot.
	ActiveSince(id uint64) (time.Time, bool)
}

// noPeers is the transport of a member that has nobody to talk to.
type noPeers struct{}

func (noPeers) Send([]*raftpb.Message)                   {}
func (noPeers) SetPeers([]*consensusv1.Member, []uint64) {}
func (noPeers) ActiveSince(uint64) (time.Time, bool)     { return time.Time{}, false }

// Step takes a message of another member. It does not wait for it to be handled, and may be called at any time.
func (m *Member) Step(message *raftpb.Message) {
	m.replica.inbox.Put(message)
}
