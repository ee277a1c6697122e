package peer

import (
	"context"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/peer/internal/snapshot"
)

// Receiver is the member that a Transport works for. Its methods are called from many goroutines, from the start of Run
// until Run returns. Those without a context must return soon once the member stops.
type Receiver interface {
	// ClusterID and MemberID never change.
	ClusterID() uint64
	MemberID() uint64

	// Step takes a message of another member, which is the receiver's to keep. It may wait while the member has too much
	// to handle; the stream that the message came on waits with it, and through it the sender. It should not wait longer
	// than an election timeout: the sender takes the stream for broken then. An error says that the message cannot be true
	// and was not taken; the stream ends with it.
	Step(message *raftpb.Message) error
	// ReportUnreachable says that messages to a member were lost. It must not wait.
	ReportUnreachable(id uint64)
	// ReportDown says that a member's process has ended: its streams are gone, and on its host nothing listens at any of
	// its URLs. It must not wait. It is called again as long as that is so.
	ReportDown(id uint64)
	// ReportSnapshot says how the snapshot ended that a MsgSnap told a member to take. It must not wait.
	ReportSnapshot(id uint64, ok bool)
	// ReportRemoved says that the member with id by refuses this member because it was removed from the cluster. It
	// must not wait. It is called again each time that happens.
	ReportRemoved(by uint64)
	// Incarnation tells the member's data from other data under the same id. It never changes.
	Incarnation() uint64
	// ReportBootstrapped says that the member with id by refuses this member because it knows another incarnation of it. It
	// must not wait. It is called again each time that happens.
	ReportBootstrapped(by uint64)
	// InstallSnapshot makes the files of s the member's state. They are complete, verified and synced. It may move them,
	// or remove s.Dir; what is left there is removed when it returns. An error is reported to the sender.
	InstallSnapshot(ctx context.Context, s ReceivedSnapshot) error
}

// ReceivedSnapshot is a snapshot as it arrived.
type ReceivedSnapshot = snapshot.Received

// SnapshotSource makes the snapshots that other members catch up from.
type SnapshotSource = snapshot.Source
