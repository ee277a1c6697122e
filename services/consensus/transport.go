package consensus

import (
	"errors"
	"fmt"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// ErrRemoved is returned by Run when the member does not belong to the cluster any more.
var ErrRemoved = errors.New("the member was removed from the cluster")

// Transport carries raft messages to other members. A lost message costs time, never correctness. No method may block.
type Transport interface {
	// Send may drop what it cannot queue. The messages are shared and must not be changed.
	Send(messages []*raftpb.Message)
	// SetPeers names the members to talk to from now on, this one among them.
	SetPeers(members []*consensusv1.Member)
	// SetRemoved names those never to listen to again.
	SetRemoved(ids []uint64)
	// OldestTransfer returns the index of the oldest snapshot that is being sent, false if there is none: the log must
	// go on from there when it has arrived.
	OldestTransfer() (index uint64, ok bool)
	// ActiveSince returns since when a member can be reached, false if it cannot.
	ActiveSince(id uint64) (time.Time, bool)
}

// noPeers is the transport of a member that has nobody to talk to.
type noPeers struct{}

func (noPeers) Send([]*raftpb.Message)               {}
func (noPeers) SetPeers([]*consensusv1.Member)       {}
func (noPeers) SetRemoved([]uint64)                  {}
func (noPeers) OldestTransfer() (uint64, bool)       { return 0, false }
func (noPeers) ActiveSince(uint64) (time.Time, bool) { return time.Time{}, false }

// Step takes a message of another member. It does not wait for it to be handled, and may be called at any time. It returns
// an error for a heartbeat that has more committed than this member ever acknowledged: raft would end the process over it.
func (m *Member) Step(message *raftpb.Message) error {
	if message.GetType() == raftpb.MsgHeartbeat {
		// A leader tells a follower no commit index above what the follower has said is durable here.
		last, err := m.stores.log.LastIndex()
		if err != nil {
			return nil // the member is stopping, and takes nothing any more
		}
		if message.GetCommit() > last {
			return fmt.Errorf("member %s says that this one has the log up to index %d, and it ends at %d: if the sender is a member, this one has lost what it acknowledged; remove it, and add it as a new member without its data",
				memberID(message.GetFrom()), message.GetCommit(), last)
		}
	}
	m.replica.Step(message)
	return nil
}

// ReportUnreachable tells raft that messages to a member were lost. It does not wait.
func (m *Member) ReportUnreachable(id uint64) { m.replica.ReportUnreachable(id) }

// ReportDown says that a member's process has ended: if it led, another one is elected. It does not wait.
func (m *Member) ReportDown(id uint64) { m.replica.ReportDown(id) }

// ReportSnapshot tells raft whether a member has taken the snapshot that it was told to take. It does not wait.
func (m *Member) ReportSnapshot(id uint64, ok bool) { m.replica.ReportSnapshot(id, ok) }

// ReportRemoved takes another member's word that this one was removed from the cluster, and stops it: nobody answers
// it any more, so that it could never learn it from the log.
func (m *Member) ReportRemoved(by uint64) {
	m.reportFatal(fmt.Errorf("%w, says member %s: remove its data directory, and add it as a new member if it shall come back", ErrRemoved, memberID(by)))
}
