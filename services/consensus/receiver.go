package consensus

import (
	"context"
	"fmt"
	"sync/atomic"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/internal/audit"
	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
	"github.com/quoratedb/quorate/services/consensus/peer"
)

// Receiver is a member as other members reach it: package peer delivers to it what they send, and takes from it what they need.
type Receiver struct {
	cfg         Config
	incarnation uint64
	raftLog     *logstore.Store
	gate        *gate.Gate
	trust       *audit.Trust
	replica     *replication.Replica
	installer   *installer
	failure     *fatal
	checkpoints atomic.Uint64
}

// ClusterID is fixed.
func (r *Receiver) ClusterID() uint64 { return r.cfg.ClusterID }

// MemberID is the member's own id.
func (r *Receiver) MemberID() uint64 { return r.cfg.MemberID }

// InstallSnapshot makes the files of another member's state this member's, if raft finds that they help. It returns once
// the state is replaced, or ctx ends: the installation goes on then.
func (r *Receiver) InstallSnapshot(ctx context.Context, received peer.ReceivedSnapshot) error {
	return r.installer.install(ctx, r.replica, received)
}

// Continues tells whether a member whose state ends at index can go on from this member's log.
func (r *Receiver) Continues(index uint64) bool {
	first, err := r.raftLog.FirstIndex()
	return err == nil && first <= index+1
}

// Checkpoint makes a copy of the state's files, by links where the filesystem has them. The caller releases it.
func (r *Receiver) Checkpoint(context.Context) (dir string, index, term uint64, release func(), err error) {
	tenure, ok := r.gate.Enter()
	if !ok {
		return "", 0, 0, nil, fmt.Errorf("checkpoint: %w", errdefs.ErrStopped)
	}
	defer tenure.Leave()
	if err := r.trust.Check(); err != nil {
		return "", 0, 0, nil, fmt.Errorf("checkpoint: %w", err)
	}
	index, term = tenure.Store.Applied()
	name := fmt.Sprintf("%s%d", datadir.CheckpointPrefix, r.checkpoints.Add(1))
	if err := r.cfg.dir().Remove(name); err != nil {
		return "", 0, 0, nil, err
	}
	dir = r.cfg.dir().Path(name)
	if err := tenure.Store.Checkpoint(dir); err != nil {
		return "", 0, 0, nil, err
	}
	return dir, index, term, func() { _ = r.cfg.dir().Remove(name) }, nil
}

// Step takes a message of another member. It does not wait for it to be handled, and may be called at any time. It returns
// an error for a heartbeat that has more committed than this member ever acknowledged: raft would end the process over it.
func (r *Receiver) Step(message *raftpb.Message) error {
	if message.GetType() == raftpb.MsgHeartbeat {
		// A leader tells a follower no commit index above what the follower has said is durable here.
		last, err := r.raftLog.LastIndex()
		if err != nil {
			return nil // the member is stopping, and takes nothing any more
		}
		if message.GetCommit() > last {
			return fmt.Errorf("member %s says that this one has the log up to index %d, and it ends at %d: if the sender is a member, this one has lost what it acknowledged; remove it, and add it as a new member without its data",
				identity.Format(message.GetFrom()), message.GetCommit(), last)
		}
	}
	r.replica.Step(message)
	return nil
}

// ReportUnreachable tells raft that messages to a member were lost. It does not wait.
func (r *Receiver) ReportUnreachable(id uint64) { r.replica.ReportUnreachable(id) }

// ReportDown says that a member's process has ended: if it led, another one is elected. It does not wait.
func (r *Receiver) ReportDown(id uint64) { r.replica.ReportDown(id) }

// ReportSnapshot tells raft whether a member has taken the snapshot that it was told to take. It does not wait.
func (r *Receiver) ReportSnapshot(id uint64, ok bool) { r.replica.ReportSnapshot(id, ok) }

// ReportRemoved takes another member's word that this one was removed from the cluster, and stops it: nobody answers
// it any more, so that it could never learn it from the log.
func (r *Receiver) ReportRemoved(by uint64) {
	r.failure.report(fmt.Errorf("%w, says member %s: remove its data directory, and add it as a new member if it shall come back", ErrRemoved, identity.Format(by)))
}

// Incarnation tells this member's data directory from another one of the same member.
func (r *Receiver) Incarnation() uint64 { return r.incarnation }

// ReportBootstrapped takes another member's word that it knows this one with other data, and stops it: what it would vote
// or acknowledge could cost the cluster what it has acknowledged before.
func (r *Receiver) ReportBootstrapped(by uint64) {
	id := identity.Format(r.cfg.MemberID)
	r.failure.report(fmt.Errorf("member %s %w, says member %s, and this is not the data directory that it had: start it with that one, or, if it is lost, remove the member (etcdctl member remove %s) and the directory %s, and add it as a new one (etcdctl member add)",
		id, ErrBootstrapped, identity.Format(by), id, r.cfg.DataDir))
}
