package consensus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/problem"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/peer"
)

// A member that is too far behind gets the files of another member's state. They are fetched and checked by the
// transport, prepared here (so that they are this member's own), and put in place when raft says so:
//
//  1. the files lie in member/incoming, complete and synced;
//  2. raft accepts the snapshot and hands it to the appender, which notes in the log store that the installation of
//     its index has begun, and asks the applier to replace the state;
//  3. the applier closes the old state, renames the directories and opens the new one;
//  4. the appender lets the log begin behind the snapshot and takes the note back.
//
// A crash before 3 leaves the old state, one after it the new state with a log that is too old; the note tells the next
// start which of the two it is (recoverInstall). Nobody reads a state that is neither.

// snapshotPoint is what raft must know of the state to make a snapshot of it: the applier moves it.
type snapshotPoint struct {
	mu struct {
		sync.Mutex
		index, term uint64
		confState   *raftpb.ConfState
	}
}

func (p *snapshotPoint) set(index, term uint64, confState *raftpb.ConfState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.index, p.mu.term = index, term
	if confState != nil {
		p.mu.confState = confState
	}
}

// snapshot is the log store's answer to raft. It names a state and holds none: the transport makes a checkpoint, which
// is as new or newer, when it has to send it.
func (p *snapshotPoint) snapshot() (*raftpb.Snapshot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		Index: new(p.mu.index), Term: new(p.mu.term), ConfState: proto.CloneOf(p.mu.confState),
	}}, nil
}

// Continues tells whether a member whose state ends at index can go on from this member's log.
func (m *Member) Continues(index uint64) bool {
	first, err := m.stores.log.FirstIndex()
	return err == nil && first <= index+1
}

// Checkpoint makes a copy of the state's files, by links where the filesystem has them. The caller releases it.
func (m *Member) Checkpoint(context.Context) (dir string, index, term uint64, release func(), err error) {
	if !m.gate.enter() {
		return "", 0, 0, nil, fmt.Errorf("checkpoint: %w", problem.ErrStopped)
	}
	defer m.gate.leave()
	if err := m.trusted(); err != nil {
		return "", 0, 0, nil, fmt.Errorf("checkpoint: %w", err)
	}
	index, term = m.store().Applied()
	dir = m.memberPath(fmt.Sprintf("%s%d", checkpointPrefix, m.checkpoints.Add(1)))
	if err := m.cfg.FS.RemoveAll(dir); err != nil {
		return "", 0, 0, nil, err
	}
	if err := m.store().Checkpoint(dir); err != nil {
		return "", 0, 0, nil, err
	}
	return dir, index, term, func() { _ = m.cfg.FS.RemoveAll(dir) }, nil
}

const checkpointPrefix = "checkpoint-"

// removeCheckpoints deletes the copies that a crash left behind.
func (m *Member) removeCheckpoints() error {
	names, err := m.cfg.FS.List(m.memberPath(""))
	if err != nil {
		return fmt.Errorf("look for old checkpoints: %w", err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, checkpointPrefix) {
			if err := m.cfg.FS.RemoveAll(m.memberPath(name)); err != nil {
				return fmt.Errorf("remove an old checkpoint: %w", err)
			}
		}
	}
	return nil
}

// InstallSnapshot makes the files of another member's state this member's, if raft finds that they help. It returns
// once the state is replaced.
func (m *Member) InstallSnapshot(ctx context.Context, received peer.ReceivedSnapshot) error {
	select {
	case m.installing <- struct{}{}:
		defer func() { <-m.installing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	snapshot, err := m.prepareIncoming(received.Dir)
	if err != nil {
		return fmt.Errorf("prepare the state that %s sent: %w", memberID(received.From), err)
	}
	message := proto.CloneOf(received.Message)
	message.Snapshot = snapshot
	index := snapshot.GetMetadata().GetIndex()
	if err := m.replica.call(ctx, func(node *raft.RawNode) { err = node.Step(message) }); err != nil {
		return err
	}
	if err != nil {
		return fmt.Errorf("step a snapshot: %w", err)
	}
	// By the time the replica answers again it has handed out what it made of the message.
	var accepted uint64
	if err := m.replica.call(ctx, func(*raft.RawNode) { accepted = m.replica.snapshotAccepted }); err != nil {
		return err
	}
	if accepted < index {
		return nil // raft has no use for it: the log has caught up meanwhile
	}
	return m.awaitApplied(ctx, index)
}

func (m *Member) awaitApplied(ctx context.Context, index uint64) error {
	done := m.reads.reached(index)
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-m.stopped:
		return problem.ErrStopped
	}
}

// prepareIncoming makes the files in dir this member's own, moves them to where the applier takes them from, and
// returns what raft must know of them.
func (m *Member) prepareIncoming(dir string) (_ *raftpb.Snapshot, err error) {
	store, err := mvcc.Open(mvcc.Options{Dir: dir, FS: m.cfg.FS, Logger: m.log.With("store", "incoming"), MemTableBytes: 1 << 20})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	stored, err := readIdentity(store)
	if err != nil {
		return nil, err
	}
	if stored.ClusterID != m.cfg.ClusterID {
		return nil, fmt.Errorf("%w: it is of cluster %x", ErrForeignData, stored.ClusterID)
	}
	confState, err := readConfState(store)
	if err != nil {
		return nil, err
	}
	batch := store.Begin()
	defer batch.Close()
	batch.SetMeta(metaIdentity, stateIdentity{m.cfg.ClusterID, m.cfg.MemberID}.encode())
	if err := batch.Commit(); err != nil {
		return nil, err
	}
	if err := store.Flush(); err != nil {
		return nil, err
	}
	index, term := store.Applied()
	if err := store.Close(); err != nil {
		return nil, err
	}
	if err := replaceDir(m.cfg.FS, dir, m.memberPath(incomingDir)); err != nil {
		return nil, err
	}
	return &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{Index: new(index), Term: new(term), ConfState: confState}}, nil
}

// Directories below DataDir/member.
const (
	logDir      = "log"
	stateDir    = "state"
	incomingDir = "incoming"
	replacedDir = "replaced"
)

func (m *Member) memberPath(name string) string {
	return m.cfg.FS.PathJoin(m.cfg.DataDir, "member", name)
}

// swapRequest asks for the state to be left alone while the applier replaces it.
type swapRequest struct {
	paused chan struct{} // closed when it is left alone
	resume chan struct{} // closed by the applier when there is a new one
}

// compactState runs the physical compaction of whatever store is the state.
func (m *Member) compactState(ctx context.Context) error {
	for {
		runCtx, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		store := m.store()
		go func() { done <- store.RunCompaction(runCtx) }()
		select {
		case err := <-done:
			cancel()
			return ended(ctx, err)
		case <-ctx.Done():
			cancel()
			<-done
			return nil
		case request := <-m.swaps:
			cancel()
			if err := <-done; err != nil {
				return err
			}
			close(request.paused)
			select {
			case <-request.resume:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// replaceState puts the files of member/incoming in place of the state. The applier calls it.
func (m *Member) replaceState(ctx context.Context) error {
	request := swapRequest{paused: make(chan struct{}), resume: make(chan struct{})}
	select {
	case m.swaps <- request:
		<-request.paused
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer close(request.resume)
	return m.gate.replace(func() error {
		if err := m.store().Close(); err != nil {
			return fmt.Errorf("close the old state: %w", err)
		}
		if err := replaceDir(m.cfg.FS, m.memberPath(stateDir), m.memberPath(replacedDir)); err != nil {
			return fmt.Errorf("put the old state aside: %w", err)
		}
		if err := replaceDir(m.cfg.FS, m.memberPath(incomingDir), m.memberPath(stateDir)); err != nil {
			return fmt.Errorf("put the new state in place: %w", err)
		}
		store, err := openState(m.cfg, m.log, m.reportFatal)
		if err != nil {
			return fmt.Errorf("open the new state: %w", err)
		}
		m.state.Store(store)
		version, confState, err := readMembership(store)
		if err != nil {
			return err
		}
		m.members.set(version)
		index, term := store.Applied()
		m.applier.point.set(index, term, confState)
		m.feed.Reset(store.Revision())
		m.audit.renew()
		m.log.Info("replaced the state by another member's", "index", index, "revision", store.Revision())
		return m.cfg.FS.RemoveAll(m.memberPath(replacedDir))
	})
}

// recoverDirs finishes or takes back the renames of an installation that a crash cut short.
func recoverDirs(cfg Config) error {
	path := func(name string) string { return cfg.FS.PathJoin(cfg.DataDir, "member", name) }
	_, err := cfg.FS.Stat(path(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		if _, replaced := cfg.FS.Stat(path(replacedDir)); replaced == nil {
			return replaceDir(cfg.FS, path(replacedDir), path(stateDir))
		}
		return nil
	}
	if err != nil {
		return err
	}
	return cfg.FS.RemoveAll(path(replacedDir))
}

// recoverInstall finishes an installation whose state is in place and whose log is not, and forgets one whose state is
// not.
func (s *stores) recoverInstall() error {
	index, begun, err := notedInstall(s.log)
	if err != nil || !begun {
		return err
	}
	if applied, term := s.state.Applied(); applied == index {
		confState, err := readConfState(s.state)
		if err != nil {
			return err
		}
		if last, err := s.log.LastIndex(); err != nil || last < index {
			if err := errors.Join(err, s.log.Reset(index, term, confState)); err != nil {
				return fmt.Errorf("finish the installation of a snapshot: %w", err)
			}
		}
	}
	return forgetInstall(s.log)
}
