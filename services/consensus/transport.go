package consensus

import "go.etcd.io/raft/v3/raftpb"

// Transport carries raft messages to other members. A lost message costs time, never correctness.
type Transport interface {
	// Send must not block; it may drop what it cannot queue. The messages are shared and must not be changed.
	Send(messages []*raftpb.Message)
}

// noPeers is the transport of a member that has nobody to talk to.
type noPeers struct{}

func (noPeers) Send([]*raftpb.Message) {}

// Step takes a message of another member. It does not wait for it to be handled, and may be called at any time.
func (m *Member) Step(message *raftpb.Message) {
	m.replica.inbox.Put(message)
}
