package consensus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/problem"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
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

// Continues tells whether a member whose state ends at index can go on from this member's log.
func (m *Member) Continues(index uint64) bool {
	first, err := m.stores.log.FirstIndex()
	return err == nil && first <= index+1
}

// Checkpoint makes a copy of the state's files, by links where the filesystem has them. The caller releases it.
func (m *Member) Checkpoint(context.Context) (dir string, index, term uint64, release func(), err error) {
	tenure, ok := m.gate.enter()
	if !ok {
		return "", 0, 0, nil, fmt.Errorf("checkpoint: %w", problem.ErrStopped)
	}
	defer tenure.leave()
	if err := m.trust.trusted(); err != nil {
		return "", 0, 0, nil, fmt.Errorf("checkpoint: %w", err)
	}
	index, term = tenure.store.Applied()
	dir = m.cfg.memberPath(fmt.Sprintf("%s%d", checkpointPrefix, m.checkpoints.Add(1)))
	if err := m.cfg.FS.RemoveAll(dir); err != nil {
		return "", 0, 0, nil, err
	}
	if err := tenure.store.Checkpoint(dir); err != nil {
		return "", 0, 0, nil, err
	}
	return dir, index, term, func() { _ = m.cfg.FS.RemoveAll(dir) }, nil
}

// removeCopies deletes what nothing refers to: copies of the state that a crash left behind, and states that were replaced,
// or received and not accepted.
func (m *Member) removeCopies() error {
	names, err := m.cfg.FS.List(m.cfg.memberPath(""))
	if err != nil {
		return fmt.Errorf("look for old copies of the state: %w", err)
	}
	for _, name := range names {
		isState := name == stateDir || strings.HasPrefix(name, receivedPrefix)
		if strings.HasPrefix(name, checkpointPrefix) || name == incomingDir || isState && name != m.gate.now.Load().dir {
			if err := m.cfg.FS.RemoveAll(m.cfg.memberPath(name)); err != nil {
				return fmt.Errorf("remove an old copy of the state: %w", err)
			}
		}
	}
	return nil
}

// Directories below DataDir/member, and what the names of further ones begin with.
const (
	logDir = "log"
	// stateDir holds the state of a member that never got another one's.
	stateDir = "state"
	// receivedPrefix comes before the index that another member's state was announced with.
	receivedPrefix   = "state-"
	checkpointPrefix = "checkpoint-"
	// incomingDir and replacedDir are where programs before this one kept a state that was about to be installed, and the
	// one that it replaced.
	incomingDir = "incoming"
	replacedDir = "replaced"
)

// incoming is a state that raft may accept. It belongs to whoever takes it out of Member.incoming: the applier, if raft does.
type incoming struct {
	store       *mvcc.Store
	dir         string
	serving     *atomic.Bool
	index, term uint64
	version     *consensusv1.MembersResponse
	confState   *raftpb.ConfState
}

// InstallSnapshot makes the files of another member's state this member's, if raft finds that they help. It returns once
// the state is replaced, or ctx ends: the installation goes on then.
func (m *Member) InstallSnapshot(ctx context.Context, received peer.ReceivedSnapshot) error {
	select {
	case m.installing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-m.stopped:
		return problem.ErrStopped
	}
	index, err := m.takeOrBreak(received)
	if err != nil || index == 0 {
		return err
	}
	return m.replica.WaitApplied(ctx, index)
}

// takeOrBreak is takeIncoming, whose storage engine may wait for ever for a disk that has failed. The member ends then, as in
// await: it cannot be closed any more. An engine that returns when it has failed ends the installation alone.
func (m *Member) takeOrBreak(received peer.ReceivedSnapshot) (uint64, error) {
	type outcome struct {
		index uint64
		err   error
	}
	done, failed := make(chan outcome, 1), make(chan error, 1)
	go func() {
		index, err := m.takeIncoming(received, func(err error) {
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
	case <-m.broken:
		failure = m.failure()
	}
	select {
	case o := <-done:
		return o.index, o.err
	case <-time.After(stuckTimeout):
		failure = fmt.Errorf("install another member's state: %w; the storage engine does not stop", failure)
		m.reportFatal(failure)
		return 0, failure
	}
}

// takeIncoming returns the index of the state that will be installed, 0 if raft has no use for it. It is called by who
// holds installing, and lets go of that unless the applier will.
func (m *Member) takeIncoming(received peer.ReceivedSnapshot, failing func(error)) (index uint64, err error) {
	// The member is not closed before it knows what has become of the files.
	tenure, ok := m.gate.enter()
	if !ok {
		<-m.installing
		return 0, problem.ErrStopped
	}
	defer tenure.leave()
	if received.Index <= m.replica.Applied() {
		<-m.installing
		return 0, m.cfg.FS.RemoveAll(received.Dir) // the log has caught up meanwhile
	}
	next, err := m.openIncoming(received, failing)
	if err != nil {
		<-m.installing
		return 0, fmt.Errorf("prepare the state that %s sent: %w", memberID(received.From), err)
	}
	m.incoming.Store(next)
	switch accepted, err := m.offerToRaft(next, received.Message); {
	case errors.Is(err, problem.ErrStopped):
		return 0, err // Close closes what is incoming, and leaves its files: raft may have accepted it
	case err != nil || !accepted:
		return 0, errors.Join(err, m.declineIncoming())
	}
	return next.index, nil
}

// offerToRaft tells whether raft goes on from the incoming state.
func (m *Member) offerToRaft(next *incoming, message *raftpb.Message) (accepted bool, err error) {
	message = proto.CloneOf(message)
	message.Snapshot = &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{Index: &next.index, Term: &next.term, ConfState: next.confState}}
	accepted, err = m.replica.OfferSnapshot(m.gate.stopping, message)
	if err != nil {
		return false, fmt.Errorf("step a snapshot: %w", err)
	}
	return accepted, nil
}

// declineIncoming closes and removes the incoming state, if there is one, and lets the next one come.
func (m *Member) declineIncoming() error {
	next := m.incoming.Swap(nil)
	if next == nil {
		return nil
	}
	defer func() { <-m.installing }()
	return errors.Join(next.store.Discard(), m.cfg.FS.RemoveAll(m.cfg.memberPath(next.dir)))
}

// giveUpIncoming closes the incoming state of a member that stops, if there is one. Its directory stays: the log may name it
// already, though the applier has not taken it. If the log does not, the next start removes it.
func (m *Member) giveUpIncoming() error {
	next := m.incoming.Swap(nil)
	if next == nil {
		return nil
	}
	return next.store.Discard()
}

// openIncoming makes the files that were received this member's own. Where it fails nothing is left of them.
func (m *Member) openIncoming(received peer.ReceivedSnapshot, failing func(error)) (_ *incoming, err error) {
	// No state that is or was in use has this name: it would have been announced with an index that is applied.
	next := &incoming{dir: fmt.Sprintf("%s%d", receivedPrefix, received.Index)}
	if err := replaceDir(m.cfg.FS, received.Dir, m.cfg.memberPath(next.dir)); err != nil {
		return nil, err
	}
	defer func() {
		if err == nil {
			return
		}
		if next.store != nil {
			err = errors.Join(err, next.store.Discard())
		}
		err = errors.Join(err, m.cfg.FS.RemoveAll(m.cfg.memberPath(next.dir)))
	}()
	next.store, next.serving, err = openState(m.cfg, next.dir, m.log, m.reportFatal, failing, nil)
	if err != nil {
		return nil, err
	}
	stored, err := readIdentity(next.store)
	if err != nil {
		return nil, err
	}
	if stored.ClusterID != m.cfg.ClusterID {
		return nil, fmt.Errorf("%w: it is of cluster %x", ErrForeignData, stored.ClusterID)
	}
	if next.version, next.confState, err = readMembership(next.store); err != nil {
		return nil, err
	}
	if next.index, next.term = next.store.Applied(); next.index < received.Index {
		return nil, fmt.Errorf("it is at log index %d and was announced with %d", next.index, received.Index)
	}
	batch := next.store.Begin()
	defer batch.Close()
	batch.SetMeta(metaIdentity, stateIdentity{m.cfg.ClusterID, m.cfg.MemberID}.encode())
	if err := batch.Commit(); err != nil {
		return nil, err
	}
	return next, next.store.Flush()
}

// incomingDir names the directory of the incoming state, if that is at the index that raft has accepted.
func (m *Member) incomingDir(index uint64) (string, error) {
	next := m.incoming.Load()
	if next == nil || next.index != index {
		return "", fmt.Errorf("raft goes on from the state at log index %d, and that is not the one that was received", index)
	}
	return next.dir, nil
}

// acceptSnapshot lets the log begin behind a snapshot, and the next start go on from its state.
func (m *Member) acceptSnapshot(_ context.Context, metadata *raftpb.SnapshotMetadata) error {
	dir, err := m.incomingDir(metadata.GetIndex())
	if err != nil {
		return err
	}
	return m.stores.log.Reset(metadata.GetIndex(), metadata.GetTerm(), metadata.GetConfState(), noteState(dir))
}

// installation is what the replication asks for when raft goes on from another member's state.
type installation struct {
	accept  func(context.Context, *raftpb.SnapshotMetadata) error
	replace func(index uint64) (*raftpb.ConfState, error)
}

// Accept implements replication.Snapshots.
func (i *installation) Accept(ctx context.Context, metadata *raftpb.SnapshotMetadata) error {
	return i.accept(ctx, metadata)
}

// Replace implements replication.Snapshots.
func (i *installation) Replace(index uint64) (*raftpb.ConfState, error) { return i.replace(index) }

// replaceState makes the incoming state the state. The applier calls it, once the log says so.
func (m *Member) replaceState(index uint64) (*raftpb.ConfState, error) {
	if _, err := m.incomingDir(index); err != nil {
		return nil, err
	}
	next := m.incoming.Swap(nil)
	defer func() { <-m.installing }()
	old := m.gate.replace(next.store, next.dir, next.serving)
	if old == nil {
		return nil, errors.Join(fmt.Errorf("replace the state: %w", problem.ErrStopped), next.store.Discard())
	}
	m.members.set(next.version)
	m.feed.Reset(next.store.Revision())
	nudge(m.verifier.replaced)
	m.log.Info("replaced the state by another member's", "index", next.index, "revision", next.store.Revision())
	old.store.Conceal() // before its last user may, so that it is done when the new one's metrics come
	m.retire(old)
	return next.confState, next.store.Expose(m.cfg.Registerer)
}

// retire has a state that was replaced closed and removed once nobody uses it.
func (m *Member) retire(old *tenure) {
	m.retired.Go(func() {
		<-old.idle
		if err := errors.Join(old.store.Discard(), m.cfg.FS.RemoveAll(m.cfg.memberPath(old.dir))); err != nil {
			m.log.Warn("could not remove the state that was replaced, the next start will", "directory", m.cfg.memberPath(old.dir), "error", err)
		}
	})
}

// compactState runs the physical compaction of whatever store is the state.
func (m *Member) compactState(ctx context.Context) error {
	for ctx.Err() == nil {
		tenure, ok := m.gate.enter()
		if !ok {
			return nil
		}
		err := tenure.compact(ctx)
		tenure.leave()
		if err != nil {
			return ended(ctx, err)
		}
	}
	return nil
}

// compact runs the store's compaction until ctx or the tenure ends.
func (t *tenure) compact(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.over, cancel)()
	return t.store.RunCompaction(ctx)
}
