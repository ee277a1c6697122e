package consensus

import (
	"errors"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// ErrRemoved is returned by Run when the member does not belong to the cluster any more.
var ErrRemoved = errors.New("the member was removed from the cluster")

// ErrBootstrapped is returned by Run when another member knows this one with the data that it had before.
var ErrBootstrapped = errors.New("has already been bootstrapped")

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
