package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/pkg/budget"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/problem"
	"github.com/quoratedb/quorate/services/consensus/internal/feed"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
)

// Member is one member of the replicated store. New opens its data, Run makes it take part; its other methods may be
// called concurrently from New on. Until Run has brought the member up, and once it has ended, they wait or fail.
type Member struct {
	cfg     Config
	log     *slog.Logger
	stores  *stores
	members *membership
	feed    *feed.Feed
	replica *replication.Replica
	// assembled says that there are all three: metrics are read before.
	assembled atomic.Bool

	gate        *gate
	trust       *trust
	reader      *reader
	proposer    *proposer
	alarms      *alarms
	admission   admission
	space       *space
	audit       *audit
	verifier    *verifier
	tidier      *tidier
	housekeeper *housekeeper
	treeExpiry  *treeExpiry
	// stopUses ends the uses of the state that may last. retired are the owners of states that were replaced.
	stopUses context.CancelCauseFunc
	retired  sync.WaitGroup
	opened   time.Time
	ready    chan struct{} // closed once the member serves
	stopped  chan struct{} // closed once Run is ending
	broken   chan struct{} // closed by the first error of a store's own goroutines
	fatal    sync.Once
	fatalErr error // set when broken is closed

	changes *changeWaiters
	holder  leaseHolder
	// reconfiguring is held by the one membership change that this member has under way.
	reconfiguring chan struct{}
	// installing is held by the one snapshot that is being installed, whose state is incoming until the applier takes it.
	installing  chan struct{}
	incoming    atomic.Pointer[incoming]
	install     *installation
	checkpoints atomic.Uint64
	// snapshots holds a place for each file of Snapshot.
	snapshots chan struct{}

	closing  sync.Once
	closeErr error
}

// New opens the member's data, or makes it when the data directory is empty. It starts nothing. A member that is
// not run must be closed by Close.
//
// Errors say what is wrong with the directory: ErrForeignData, that it cannot be written, that another process uses
// it, or that a file is damaged; or that Config.Interrupt ended it, which is ErrInterrupted.
func New(cfg Config) (*Member, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("consensus configuration: %w", err)
	}
	m := &Member{
		cfg:     cfg,
		log:     cfg.Logger,
		ready:   make(chan struct{}),
		stopped: make(chan struct{}),
		broken:  make(chan struct{}),
		changes: newChangeWaiters(),

		reconfiguring: make(chan struct{}, 1),
		installing:    make(chan struct{}, 1),
		snapshots:     make(chan struct{}, snapshotsMax),
	}
	metrics, err := registerLeader(m, cfg.Registerer)
	if err != nil {
		return nil, err
	}
	stores, err := m.openStores()
	if err != nil {
		metrics.unregister()
		return nil, err
	}
	m.stores, m.members = stores, stores.members
	var stopping context.Context
	stopping, m.stopUses = context.WithCancelCause(context.Background())
	m.gate = newGate(stopping, stores.state, stores.stateDir, stores.serving)
	m.trust = newTrust(m.cfg.MemberID, m.gate, m.log)
	if err := m.assemble(); err != nil {
		metrics.unregister()
		return nil, errors.Join(err, stores.close())
	}
	m.assembled.Store(true)
	return m, nil
}

// openStores is openStores of the package, whose storage engines may wait for ever for a disk that has failed. Then there is
// nothing to close either, as in await.
func (m *Member) openStores() (*stores, error) {
	type outcome struct {
		*stores
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		stores, err := openStores(&m.cfg, m.log, m.reportFatal)
		done <- outcome{stores, err}
	}()
	select {
	case o := <-done:
		return o.stores, o.err
	case <-m.broken:
	case <-m.cfg.Interrupt:
	}
	select {
	case o := <-done:
		return o.stores, o.err
	case <-time.After(stuckTimeout):
	}
	err := ErrInterrupted
	select {
	case <-m.broken:
		err = m.failure()
	default:
	}
	return nil, fmt.Errorf("open the member's data: %w; the storage engine does not stop", err)
}

// assemble makes what replicates the log.
func (m *Member) assemble() error {
	applied, _ := m.gate.state().Applied()
	m.feed = feed.New(m.gate.state().Revision(), feedBytesMax)
	m.install = &installation{accept: m.acceptSnapshot, replace: m.replaceState}
	replica, err := replication.New(replication.Options{
		ID:                m.cfg.MemberID,
		HeartbeatInterval: m.cfg.HeartbeatInterval,
		ElectionTicks:     m.cfg.ElectionTicks,
		MemoryBytes:       budget.Limit(),
		Storage:           raftStorage{m.stores.log, m.stores.confState, applied},
		Log:               m.stores.log,
		State:             replicatedState{m.gate},
		Members:           m.members,
		Snapshots:         m.install,
		Transport:         m.cfg.Transport,
		Announce:          m.announce,
		Ticks:             m.cfg.ticks,
		Logger:            m.log,
		Stopped:           m.stopped,
	})
	if err != nil {
		return err
	}
	m.replica, m.opened = replica, time.Now()
	m.proposer = &proposer{m.cfg.MemberID, replica, m.members, m.cfg.electionTimeout()}
	m.reader = &reader{m.cfg.MemberID, m.gate, m.trust, m.members, replica, m.feed, m.stopped}
	m.alarms = &alarms{m.gate, m.proposer, m.log}
	m.verifier = newVerifier(m.cfg, m.gate, m.stores.log, m.trust)
	m.space = newSpace(m.cfg, m.gate, m.members, replica, m.alarms)
	m.tidier = newTidier(m.cfg, m.gate, m.verifier.verified, m.stopped)
	m.audit = newAudit(m.cfg, m.gate, m.trust, m.members, replica, m.alarms, m.verifier.verified)
	m.housekeeper = &housekeeper{
		clock: m.cfg.Clock, log: m.stores.log, gate: m.gate, members: m.members, replica: replica, transport: m.cfg.Transport,
		entriesKept: m.cfg.SnapshotCount, bytesKept: logBytesKept,
	}
	m.treeExpiry = &treeExpiry{m.cfg.Clock, m.gate, replica, m.log}
	m.admission = admission{trusted: m.trust.trusted, room: m.space.roomToGrow, lag: replica.CheckLag}
	m.stores.log.SetSnapshotFunc(replica.Snapshot)
	return registerMetrics(m, m.cfg.Registerer)
}

// announce tells of what has become visible, before those who wait for it are answered.
func (m *Member) announce(v replication.Visible) {
	if v.Alarms {
		nudge(m.trust.kick)
	}
	m.feed.Announce(v.Commits)
	for _, change := range v.Changes {
		m.changes.finish(change.ID, change.Err)
	}
}

// replicatedState is the state as the log makes it.
type replicatedState struct{ gate *gate }

func (s replicatedState) store() *mvcc.Store { return s.gate.state() }

// Begin implements replication.State.
func (s replicatedState) Begin() replication.Batch { return s.gate.machine().Begin() }

// Applied implements replication.State.
func (s replicatedState) Applied() (index, term uint64) { return s.store().Applied() }

// Revision implements replication.State.
func (s replicatedState) Revision() int64 { return s.store().Revision() }

// Refuses implements replication.State.
func (s replicatedState) Refuses(err error) bool { return refusal(err) }

// Run takes part in the cluster until ctx ends, and closes the member's data. It returns nil after a clean stop, and
// otherwise why the member could not go on.
func (m *Member) Run(ctx context.Context) error {
	if err := errors.Join(m.removeLeftovers(), m.removeCopies()); err != nil {
		return errors.Join(err, m.Close())
	}
	group, ctx := errgroup.WithContext(ctx)
	if voters := m.stores.confState.GetVoters(); len(voters) == 1 && voters[0] == m.cfg.MemberID {
		// Nobody else could win: do not wait for an election timeout.
		m.replica.Campaign()
	}
	m.replica.Go(ctx, group)
	group.Go(func() error { return m.compactState(ctx) })
	group.Go(func() error { return m.housekeeper.run(ctx) })
	group.Go(func() error { return m.space.watch(ctx) })
	group.Go(func() error { return m.tidier.run(ctx) })
	group.Go(func() error { return m.join(ctx) })
	group.Go(func() error { return m.compactHistory(ctx) })
	group.Go(func() error { return m.treeExpiry.run(ctx) })
	group.Go(func() error { return m.verifier.verifyState(ctx) })
	group.Go(func() error { return m.verifier.verifyLog(ctx) })
	group.Go(func() error { return m.audit.run(ctx) })
	group.Go(func() error { return m.leave(ctx) })
	group.Go(func() error {
		select {
		case <-m.broken:
			return m.failure()
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error {
		<-ctx.Done()
		close(m.stopped)
		m.stopUses(problem.ErrStopped)
		return nil
	})
	err := m.await(group)
	return errors.Join(err, m.Close())
}

// await waits for what Run started. Where a store has failed, its engine may hold a writer for ever (a full disk does
// that): then there is no order to stop in, and the process must end instead.
func (m *Member) await(group *errgroup.Group) error {
	done := make(chan error, 1)
	go func() { done <- group.Wait() }()
	select {
	case err := <-done:
		return err
	case <-m.broken:
	}
	select {
	case err := <-done:
		return err
	case <-time.After(stuckTimeout):
		return fmt.Errorf("%w; the storage engine does not stop", m.failure())
	}
}

// ended turns the error of an owner that stopped because ctx did into nil.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Close releases the data of a member that does not run (any more). It may be called twice.
func (m *Member) Close() error {
	m.closing.Do(func() {
		m.replica.Close()
		m.stopUses(problem.ErrStopped)
		done := make(chan error, 1)
		go func() {
			m.gate.close()
			m.retired.Wait()
			m.stores.state = m.gate.state()
			done <- errors.Join(m.giveUpIncoming(), m.closeStores())
		}()
		select {
		case m.closeErr = <-done:
			return
		case <-m.broken:
		}
		select {
		case m.closeErr = <-done:
		case <-time.After(stuckTimeout):
			m.closeErr = errors.New("a failed store could not be closed")
		}
	})
	return m.closeErr
}

// closeStores closes the state first, which makes all of it durable, so that the next start finds no more in the log than
// others may ask for.
func (m *Member) closeStores() error {
	applied, _ := m.gate.state().Applied()
	err := m.gate.state().Close()
	select {
	case <-m.broken:
	default:
		if err == nil {
			err = m.stores.log.Truncate(m.housekeeper.truncatable(applied))
		}
	}
	return errors.Join(err, m.stores.close())
}

// Ready is closed once the member has caught up with the cluster and serves.
func (m *Member) Ready() <-chan struct{} { return m.ready }

// ClusterID and MemberID are fixed from New on.
func (m *Member) ClusterID() uint64 { return m.cfg.ClusterID }

// MemberID is the member's own id.
func (m *Member) MemberID() uint64 { return m.cfg.MemberID }

// join waits until the member has caught up, and makes its name and client URLs known.
func (m *Member) join(ctx context.Context) error {
	if err := m.reader.linearize(ctx); err != nil {
		return ended(ctx, err)
	}
	for !m.published() {
		err := m.publish(ctx)
		if err != nil && !retriable(err) {
			return ended(ctx, fmt.Errorf("publish the member's name and URLs: %w", err))
		}
		if err != nil {
			m.log.Warn("could not make the member's name and URLs known yet, trying again", "error", err)
		}
	}
	m.audit.checkBeforeServing(ctx)
	close(m.ready)
	return nil
}

// publish makes the member's name and URLs known. It gives up after some election timeouts: a proposal that was lost on
// its way to a leader that stays is never answered.
func (m *Member) publish(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, publishElections*m.cfg.electionTimeout(), problem.ErrTimeout)
	defer cancel()
	_, err := m.proposer.propose(ctx, &consensusv1.Command{Command: &consensusv1.Command_Publish{Publish: &consensusv1.PublishOp{
		MemberId:   m.cfg.MemberID,
		Name:       m.cfg.Name,
		ClientUrls: m.cfg.ClientURLs,

		Incarnation: m.Incarnation(),
	}}})
	return err
}

// retriable tells the errors of proposals that may have been lost on their way.
func retriable(err error) bool {
	for _, passing := range []error{problem.ErrLeaderChanged, problem.ErrLeaderFailed, problem.ErrConnectionLost, problem.ErrTimeout, problem.ErrTooManyRequests} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// leave ends the member some time after it was removed: until then it helps the others to learn of it, all the more if
// it led them.
func (m *Member) leave(ctx context.Context) error {
	select {
	case <-m.members.removed:
	case <-ctx.Done():
		return nil
	}
	ticker := m.cfg.Clock.NewTicker(m.cfg.HeartbeatInterval * time.Duration(m.cfg.ElectionTicks))
	defer ticker.Stop()
	select {
	case <-ticker.C():
		return ErrRemoved
	case <-ctx.Done():
		return nil
	}
}

func (m *Member) published() bool {
	member := m.members.find(m.cfg.MemberID)
	return member.GetName() == m.cfg.Name && slices.Equal(member.GetClientUrls(), m.cfg.ClientURLs) && member.GetIncarnation() == m.Incarnation()
}

// reportFatal takes an error of a store's own goroutines; the first one ends Run.
func (m *Member) reportFatal(err error) {
	m.fatal.Do(func() {
		m.fatalErr = err
		close(m.broken)
	})
}

// failure is the error that broken stands for.
func (m *Member) failure() error {
	<-m.broken
	return m.fatalErr
}
