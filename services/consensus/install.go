package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/feed"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
	"github.com/quoratedb/quorate/services/consensus/peer"
)

// A member that is too far behind gets the files of another member's state. They are fetched and checked by the
// transport, made this member's own here, and put in place when raft says so:
//
//  1. the files lie in a directory of their own in member, complete and synced, and are opened as a store: incoming;
//  2. raft accepts the snapshot at that store's index and hands it to the appender, which lets the log begin behind it and
//     notes in the same batch in which directory the state is;
//  3. the applier makes the store the state. Whoever uses the old one goes on to do so, and its last user has it closed and
//     its directory removed.
//
// A crash before 2 leaves the old log and the old state, one after it the new ones: there is no time at which a log has
// another's state. From 1 on the installation is the member's, whether or not the caller waits for it: the next snapshot
// waits until raft has declined this one or the applier has it. What is named by no note is removed at the next start.

// installer puts another member's state in the place of this one's.
type installer struct {
	cfg     Config
	gate    *gate.Gate
	raftLog *logstore.Store
	members *membership.Members
	feed    *feed.Feed
	failure *fatal
	stopped <-chan struct{}
	log     *slog.Logger

	// installing is held by the one snapshot that is being installed, whose state is incoming until the applier takes it.
	installing chan struct{}
	incoming   atomic.Pointer[datadir.Received]
	// replaced says that there is another state to verify, retired are the owners of those that were replaced.
	replaced func()
	retired  sync.WaitGroup
}

// install makes the files of another member's state this member's, if raft finds that they help. It returns once
// the state is replaced, or ctx ends: the installation goes on then.
func (i *installer) install(ctx context.Context, replica *replication.Replica, received peer.ReceivedSnapshot) error {
	select {
	case i.installing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-i.stopped:
		return errdefs.ErrStopped
	}
	index, err := i.takeOrBreak(replica, received)
	if err != nil || index == 0 {
		return err
	}
	return replica.WaitApplied(ctx, index)
}

// takeOrBreak is takeIncoming, whose storage engine may wait for ever for a disk that has failed. The member ends then, as in
// await: it cannot be closed any more. An engine that returns when it has failed ends the installation alone.
func (i *installer) takeOrBreak(replica *replication.Replica, received peer.ReceivedSnapshot) (uint64, error) {
	type outcome struct {
		index uint64
		err   error
	}
	done, failed := make(chan outcome, 1), make(chan error, 1)
	go func() {
		index, err := i.takeIncoming(replica, received, func(err error) {
			select {
			case failed <- err:
			default: // the first one counts
			}
		})
		done <- outcome{index, err}
	}()
	var failure error
	select {
	case o := <-done:
		return o.index, o.err
	case failure = <-failed:
	case <-i.failure.found:
		failure = i.failure.cause()
	}
	select {
	case o := <-done:
		return o.index, o.err
	case <-time.After(stuckTimeout):
		failure = fmt.Errorf("install another member's state: %w; the storage engine does not stop", failure)
		i.failure.report(failure)
		return 0, failure
	}
}

// takeIncoming returns the index of the state that will be installed, 0 if raft has no use for it. It is called by who
// holds installing, and lets go of that unless the applier will.
func (i *installer) takeIncoming(replica *replication.Replica, received peer.ReceivedSnapshot, failing func(error)) (index uint64, err error) {
	// The member is not closed before it knows what has become of the files.
	tenure, ok := i.gate.Enter()
	if !ok {
		<-i.installing
		return 0, errdefs.ErrStopped
	}
	defer tenure.Leave()
	if received.Index <= replica.Applied() {
		<-i.installing
		return 0, i.cfg.FS.RemoveAll(received.Dir) // the log has caught up meanwhile
	}
	next, err := i.openIncoming(received, failing)
	if err != nil {
		<-i.installing
		return 0, fmt.Errorf("prepare the state that %s sent: %w", identity.Format(received.From), err)
	}
	i.incoming.Store(next)
	switch accepted, err := i.offerToRaft(replica, next, received.Message); {
	case errors.Is(err, errdefs.ErrStopped):
		return 0, err // Close closes what is incoming, and leaves its files: raft may have accepted it
	case err != nil || !accepted:
		return 0, errors.Join(err, i.declineIncoming())
	}
	return next.Index, nil
}

// offerToRaft tells whether raft goes on from the incoming state.
func (i *installer) offerToRaft(replica *replication.Replica, next *datadir.Received, message *raftpb.Message) (accepted bool, err error) {
	message = proto.CloneOf(message)
	message.Snapshot = &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{Index: &next.Index, Term: &next.Term, ConfState: next.ConfState}}
	accepted, err = replica.OfferSnapshot(i.gate.Stopping(), message)
	if err != nil {
		return false, fmt.Errorf("step a snapshot: %w", err)
	}
	return accepted, nil
}

// declineIncoming closes and removes the incoming state, if there is one, and lets the next one come.
func (i *installer) declineIncoming() error {
	next := i.incoming.Swap(nil)
	if next == nil {
		return nil
	}
	defer func() { <-i.installing }()
	return errors.Join(next.Discard(), i.cfg.dir().Remove(next.Name))
}

// giveUpIncoming closes the incoming state of a member that stops, if there is one. Its directory stays: the log may name it
// already, though the applier has not taken it. If the log does not, the next start removes it.
func (i *installer) giveUpIncoming() error {
	next := i.incoming.Swap(nil)
	if next == nil {
		return nil
	}
	return next.Discard()
}

// openIncoming makes the files that were received this member's own. Where it fails nothing is left of them.
func (i *installer) openIncoming(received peer.ReceivedSnapshot, failing func(error)) (*datadir.Received, error) {
	return datadir.Receive(datadir.Receiving{
		Dir: i.cfg.dir(), Owner: datadir.Identity{ClusterID: i.cfg.ClusterID, MemberID: i.cfg.MemberID}, Store: i.cfg.storeOptions(),
		Files: received.Dir, Index: received.Index, Logger: i.log, Fatal: i.failure.report, Failing: failing,
	})
}

// incomingDir names the directory of the incoming state, if that is at the index that raft has accepted.
func (i *installer) incomingDir(index uint64) (string, error) {
	next := i.incoming.Load()
	if next == nil || next.Index != index {
		return "", fmt.Errorf("raft goes on from the state at log index %d, and that is not the one that was received", index)
	}
	return next.Name, nil
}

// acceptSnapshot lets the log begin behind a snapshot, and the next start go on from its state.
func (i *installer) acceptSnapshot(_ context.Context, metadata *raftpb.SnapshotMetadata) error {
	dir, err := i.incomingDir(metadata.GetIndex())
	if err != nil {
		return err
	}
	return i.raftLog.Reset(metadata.GetIndex(), metadata.GetTerm(), metadata.GetConfState(), datadir.NoteState(dir))
}

// installation is what the replication asks for when raft goes on from another member's state.
type installation struct {
	accept  func(context.Context, *raftpb.SnapshotMetadata) error
	replace func(index uint64) (*raftpb.ConfState, error)
}

// Accept implements replication.Snapshots.
func (n *installation) Accept(ctx context.Context, metadata *raftpb.SnapshotMetadata) error {
	return n.accept(ctx, metadata)
}

// Replace implements replication.Snapshots.
func (n *installation) Replace(index uint64) (*raftpb.ConfState, error) { return n.replace(index) }

// replaceState makes the incoming state the state. The applier calls it, once the log says so.
func (i *installer) replaceState(index uint64) (*raftpb.ConfState, error) {
	if _, err := i.incomingDir(index); err != nil {
		return nil, err
	}
	next := i.incoming.Swap(nil)
	defer func() { <-i.installing }()
	old := i.gate.Replace(next.Store, next.Name, next.Serving)
	if old == nil {
		return nil, errors.Join(fmt.Errorf("replace the state: %w", errdefs.ErrStopped), next.Discard())
	}
	i.members.Set(next.Version)
	i.feed.Reset(next.Revision())
	i.replaced()
	i.log.Info("replaced the state by another member's", "index", next.Index, "revision", next.Revision())
	old.Store.Conceal() // before its last user may, so that it is done when the new one's metrics come
	i.retire(old)
	return next.ConfState, next.Expose(i.cfg.Registerer)
}

// retire has a state that was replaced closed and removed once nobody uses it.
func (i *installer) retire(old *gate.Tenure) {
	i.retired.Go(func() {
		<-old.Idle()
		if err := errors.Join(old.Store.Discard(), i.cfg.dir().Remove(old.Dir)); err != nil {
			i.log.Warn("could not remove the state that was replaced, the next start will", "directory", i.cfg.dir().Path(old.Dir), "error", err)
		}
	})
}
