package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/pkg/budget"
	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/services/consensus/internal/audit"
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/feed"
	"github.com/quoratedb/quorate/services/consensus/internal/gate"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/replication"
	"github.com/quoratedb/quorate/services/consensus/internal/treeexpiry"
)

// Member is one member of the replicated store. New opens its data, Run makes it take part; its other methods may be
// called concurrently from New on. Until Run has brought the member up, and once it has ended, they wait or fail.
type Member struct {
	// Auth says who may do what.
	Auth *Auth
	// Quotas are those by prefix.
	Quotas *Quotas
	// Inspector shows what is below a prefix, what keys were and what was deleted.
	Inspector *Inspector

	cfg     Config
	log     *slog.Logger
	data    *datadir.Data
	members *membership.Members
	feed    *feed.Feed
	replica *replication.Replica
	metrics *metrics
	// assembled says that there is a replica: metrics are read before.
	assembled atomic.Bool

	gate        *gate.Gate
	trust       *audit.Trust
	reader      *reader
	proposer    *proposer
	alarms      *alarms
	admission   admission
	readingTxns *readingTxns
	callers     *callers
	tokenKeeper *tokenKeeper
	quotaKeeper *quotaKeeper
	space       *quota
	audit       *audit.Audit
	verifier    *audit.Verifier
	tidier      *tidier
	housekeeper *housekeeper
	treeExpiry  *treeexpiry.Expiry
	// stopUses ends the uses of the state that may last.
	stopUses context.CancelCauseFunc
	opened   time.Time
	ready    chan struct{} // closed once the member serves
	stopped  chan struct{} // closed once Run is ending
	failure  *fatal

	changes   *membership.Changes
	holder    leaseHolder
	install   *installation
	installer *installer
	receiver  *Receiver
	files     *snapshotFiles
	joining   *joining
	// hashes holds a place for each HashKV.
	hashes chan struct{}

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
		failure: newFatal(),
		hashes:  make(chan struct{}, hashesMax),
		metrics: newMetrics(),
	}
	metrics, err := registerLeader(m, cfg.Registerer)
	if err != nil {
		return nil, err
	}
	data, err := openData(m.cfg, m.failure)
	if err != nil {
		metrics.unregister()
		return nil, err
	}
	m.data, m.members = data, data.Members
	m.cfg.ClusterID, m.cfg.MemberID = data.ClusterID, data.MemberID
	var stopping context.Context
	stopping, m.stopUses = context.WithCancelCause(context.Background())
	m.gate = gate.New(stopping, data.State.Store, data.State.Name, data.State.Serving)
	m.trust = audit.NewTrust(m.cfg.MemberID, m.gate, m.log)
	if err := m.assemble(); err != nil {
		metrics.unregister()
		return nil, errors.Join(err, data.Close())
	}
	m.assembled.Store(true)
	return m, nil
}

// assemble makes what replicates the log.
func (m *Member) assemble() error {
	m.feed = feed.New(m.gate.State().Revision(), feedBytesMax)
	m.verifier = audit.NewVerifier(audit.VerifierConfig{
		Interval: m.cfg.StateCheck.Interval, SkipInitial: m.cfg.StateCheck.SkipInitial, Gate: m.gate, Log: m.data.Log, Trust: m.trust,
		Ticks: m.cfg.ticks, Logger: m.log,
	})
	m.installer = &installer{
		cfg: m.cfg, gate: m.gate, raftLog: m.data.Log, members: m.members, feed: m.feed, failure: m.failure, stopped: m.stopped, log: m.log,
		installing: make(chan struct{}, 1), replaced: m.verifier.Replaced,
	}
	m.install = &installation{accept: m.installer.acceptSnapshot, replace: m.installer.replaceState}
	waiters := membership.NewWaiters()
	replica, err := replication.New(replication.Config{
		ID:                m.cfg.MemberID,
		HeartbeatInterval: m.cfg.HeartbeatInterval,
		ElectionTicks:     m.cfg.ElectionTicks,
		MemoryBytes:       budget.Limit(),
		Storage:           m.data.RaftStorage(),
		Log:               m.data.Log,
		State:             replicatedState{m.gate},
		Members:           m.members,
		Snapshots:         m.install,
		Transport:         m.cfg.Transport,
		Announce:          func(v replication.Visible) { announce(v, m.feed, m.trust, waiters) },
		Ticks:             m.cfg.ticks,
		Logger:            m.log,
		Metrics:           m.metrics.replication,
		SlowApply:         m.cfg.SlowApply,
		Stopped:           m.stopped,
	})
	if err != nil {
		return err
	}
	m.replica, m.opened = replica, time.Now()
	m.proposer = &proposer{m.cfg.MemberID, replica, m.members, m.cfg.electionTimeout()}
	m.reader = &reader{m.cfg.MemberID, m.gate, m.trust, m.members, replica, m.feed, m.stopped}
	m.changes = membership.NewChanges(replica, waiters, m.cfg.electionTimeout(), m.cfg.ticks, m.stopped)
	m.alarms = &alarms{m.gate, m.proposer, m.log}
	m.receiver = &Receiver{
		cfg: m.cfg, incarnation: m.data.Incarnation, raftLog: m.data.Log, gate: m.gate, trust: m.trust, replica: replica,
		installer: m.installer, failure: m.failure,
	}
	m.files = &snapshotFiles{m.cfg, m.log, make(chan struct{}, snapshotsMax)}
	m.space = newQuota(m.cfg, m.gate, m.members, replica, m.alarms)
	m.tidier = newTidier(m.cfg, m.gate, m.verifier, m.stopped)
	m.audit = audit.New(audit.Config{
		Self: m.cfg.MemberID, SkipInitial: m.cfg.StateCheck.SkipInitial, Peers: m.cfg.Auditor, Gate: m.gate, Trust: m.trust, Members: m.members,
		Replica: replica, Alarms: m.alarms, Verified: m.verifier.Verified(), Ticks: m.cfg.ticks, Logger: m.log,
	})
	m.joining = &joining{
		cfg: m.cfg, incarnation: m.data.Incarnation, members: m.members, reader: m.reader, proposer: m.proposer, audit: m.audit, ready: m.ready, log: m.log,
	}
	tokens := auth.NewTokens(m.cfg.TokenTTL, auth.Steady())
	m.callers = &callers{
		gate: m.gate, reader: m.reader, tokens: tokens, passwords: auth.NewPasswords(m.cfg.BcryptCost), compactRoot: m.cfg.CompactRoot,
	}
	m.tokenKeeper = &tokenKeeper{tokens, m.cfg.TokenTTL, m.cfg.Clock, m.proposer, m.log}
	m.Auth = &Auth{m.callers, replica, m.tokenKeeper, m.stopped}
	m.Quotas = &Quotas{m.callers, replica, m.stopped}
	m.Inspector = &Inspector{m.callers, replica}
	m.quotaKeeper = &quotaKeeper{m.gate, replica, m.proposer, m.verifier.Pace, m.cfg.ticks, m.log, make(map[string]bool)}
	m.housekeeper = &housekeeper{
		clock: m.cfg.Clock, log: m.data.Log, gate: m.gate, members: m.members, replica: replica, transport: m.cfg.Transport,
		entriesKept: m.cfg.SnapshotCount, bytesKept: logBytesKept, bytesUnflushed: logUnflushedBytes,
		timeUnflushed: applyTimeUnflushed,
	}
	m.treeExpiry = treeexpiry.New(m.gate, replica, m.cfg.ticks, m.log)
	m.admission = admission{m.trust, m.space, replica}
	m.readingTxns = newReadingTxns(m.gate, m.proposer)
	m.data.Log.SetSnapshotFunc(replica.Snapshot)
	return registerMetrics(m, m.cfg.Registerer)
}

// announce tells of what has become visible, before those who wait for it are answered.
func announce(v replication.Visible, feed *feed.Feed, trust *audit.Trust, waiters *membership.Waiters) {
	if v.Alarms {
		trust.Recheck()
	}
	feed.Announce(v.Commits)
	for _, change := range v.Changes {
		waiters.Finish(change.ID, change.Err)
	}
}

// Run takes part in the cluster until ctx ends, and closes the member's data. It returns nil after a clean stop, and
// otherwise why the member could not go on.
func (m *Member) Run(ctx context.Context) error {
	if err := errors.Join(m.files.removeLeftovers(), m.cfg.dir().RemoveCopies(m.gate.Dir())); err != nil {
		return errors.Join(err, m.Close())
	}
	group, ctx := errgroup.WithContext(ctx)
	if voters := m.data.ConfState.GetVoters(); len(voters) == 1 && voters[0] == m.cfg.MemberID {
		// Nobody else could win: do not wait for an election timeout.
		m.replica.Campaign()
	}
	m.replica.Go(ctx, group)
	group.Go(func() error { return m.gate.Compact(ctx) })
	group.Go(func() error { return m.housekeeper.run(ctx) })
	group.Go(func() error { return m.space.watch(ctx) })
	group.Go(func() error { return m.tidier.run(ctx) })
	group.Go(func() error { return m.joining.join(ctx) })
	group.Go(func() error { return compactHistory(ctx, m.cfg, autoCompaction{m.gate, m.proposer}) })
	group.Go(func() error { return m.treeExpiry.Run(ctx) })
	group.Go(func() error { return m.tokenKeeper.run(ctx) })
	group.Go(func() error { return m.quotaKeeper.run(ctx) })
	group.Go(func() error { return m.verifier.RunState(ctx) })
	group.Go(func() error { return m.verifier.RunLog(ctx) })
	group.Go(func() error { return m.audit.Run(ctx) })
	group.Go(func() error { return leave(ctx, m.cfg, m.members.Removed()) })
	group.Go(func() error {
		select {
		case <-m.failure.found:
			return m.failure.cause()
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error {
		<-ctx.Done()
		close(m.stopped)
		m.stopUses(errdefs.ErrStopped)
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
	case <-m.failure.found:
	}
	select {
	case err := <-done:
		return err
	case <-time.After(stuckTimeout):
		return fmt.Errorf("%w; the storage engine does not stop", m.failure.cause())
	}
}

// Close releases the data of a member that does not run (any more). It may be called twice.
func (m *Member) Close() error {
	m.closing.Do(func() {
		m.replica.Close()
		m.stopUses(errdefs.ErrStopped)
		done := make(chan error, 1)
		go func() {
			m.gate.Close()
			m.installer.retired.Wait()
			m.readingTxns.close()
			m.data.State.Store = m.gate.State()
			done <- errors.Join(m.installer.giveUpIncoming(), m.closeStores())
		}()
		select {
		case m.closeErr = <-done:
			return
		case <-m.failure.found:
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
	applied, _ := m.gate.State().Applied()
	err := m.gate.State().Close()
	select {
	case <-m.failure.found:
	default:
		if err == nil {
			err = m.data.Log.Truncate(m.housekeeper.truncatable(applied))
		}
	}
	return errors.Join(err, m.data.Close())
}

// Ready is closed once the member has caught up with the cluster and serves.
func (m *Member) Ready() <-chan struct{} { return m.ready }

// ClusterID and MemberID are fixed from New on.
func (m *Member) ClusterID() uint64 { return m.cfg.ClusterID }

// MemberID is the member's own id.
func (m *Member) MemberID() uint64 { return m.cfg.MemberID }

// Receiver is the member as other members reach it.
func (m *Member) Receiver() *Receiver { return m.receiver }
