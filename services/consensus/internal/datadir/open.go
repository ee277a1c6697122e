package datadir

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quoratedb/quorate/services/consensus/internal/durabledir"
	"github.com/quoratedb/quorate/services/consensus/internal/interruptible"
	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
)

// ErrForeignData is returned by Open when the data directory does not hold what it is asked for, or its
// parts do not belong together. Nothing is changed then.
var ErrForeignData = errors.New("the data directory does not fit")

// ErrInterrupted is returned by Open when Config.Interrupt was closed before it was done. The data is as after a crash.
var ErrInterrupted = interruptible.ErrInterrupted

// Config says which directory is opened, and for whom.
type Config struct {
	Dir
	// Founding is what a first start makes of an empty directory; Found, unless nil, is asked for it then.
	Founding Founding
	Found    func() (Founding, error)
	// ForceNewCluster makes the member the only one of its cluster.
	ForceNewCluster bool
	Store           StoreOptions
	// Interrupt has Open give up once it is closed, nil never.
	Interrupt <-chan struct{}
	// Transport is told who belongs to the cluster.
	Transport  membership.Transport
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Fatal is told that a store has failed, by a goroutine of its own, also while it opens: an engine that fails may never return
	// from what it does.
	Fatal func(error)
}

// StoreOptions size a state's store, 0 for its defaults.
type StoreOptions struct {
	CacheBytes    int64
	MemTableBytes uint64
	OpenFilesMax  int
}

// Data is what a member has. Its owner closes it.
type Data struct {
	Identity
	// Incarnation is the directory's own, see package membership.
	Incarnation uint64
	Log         *logstore.Store
	State       State
	Members     *membership.Members
	ConfState   *raftpb.ConfState
}

// Identity says whose data it is.
type Identity = logstore.Identity

// State is a state's store. Name is that of its directory, and Serving says whether its failures are the member's: who makes it
// the member's sets it.
type State struct {
	*mvcc.Store
	Name    string
	Serving *atomic.Bool
}

// opening is one call of Open.
type opening struct {
	Config
	data *Data
}

// Open opens or creates both stores and checks that they belong together: ErrForeignData, ErrNotForced, ErrInterrupted, Found's error, or
// that of a store. A stop meanwhile is obeyed by having the stores' reads fail.
func Open(o Config) (_ *Data, err error) {
	if err := checkWhole(o.Dir); err != nil {
		return nil, err
	}
	if err := durabledir.Make(o.FS, o.Path(LogName)); err != nil {
		return nil, fmt.Errorf("create the data directory: %w", err)
	}
	o.narrow(o.Logger)
	op := opening{o, &Data{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, op.data.Close())
		}
	}()
	reading := o.Dir
	if o.Interrupt != nil {
		fs := interruptible.New(o.FS, o.Interrupt)
		defer fs.Release()
		reading.FS = fs
	}
	if err := op.openStores(reading); err != nil {
		return nil, err
	}
	if err := op.recoverInstall(); err != nil {
		return nil, err
	}
	_, known := op.data.Log.Identity()
	if err := op.identify(); err != nil {
		return nil, err
	}
	if op.data.Incarnation, err = membership.OwnIncarnation(op.data.Log); err != nil {
		return nil, err
	}
	op.data.Members, op.data.ConfState, err = membership.Load(op.data.State, op.data.Log, o.Transport, op.data.MemberID)
	if err != nil {
		return nil, err
	}
	if err := op.data.checkIndexes(); err != nil {
		return nil, err
	}
	switch {
	case !o.ForceNewCluster:
		return op.data, op.data.forgetForced()
	case known:
		return op.data, op.data.force(o.Logger)
	default: // as with etcd, nothing is forced where there is no data
		o.Logger.Warn("--force-new-cluster has no effect: there is no data to make a cluster of")
		return op.data, nil
	}
}

// checkWhole refuses a directory in which a restore has been cut off: who started there as if it was empty would serve none of what was to be restored.
func checkWhole(d Dir) error {
	part := d.FS.PathJoin(d.DataDir, RestoringName)
	if _, err := d.FS.Stat(part); err != nil {
		return nil // or it cannot be told
	}
	if _, err := d.FS.Stat(d.FS.PathJoin(d.DataDir, memberName)); err == nil {
		return nil // what is left of one that was cut off at its end
	}
	return fmt.Errorf("%w: a restore into %s is at work, or was cut off: if none is, remove %s and restore again", ErrForeignData, d.DataDir, part)
}

// openStores opens the log and the state that the log names.
func (o *opening) openStores(dir Dir) (err error) {
	o.data.Log, err = logstore.Open(logstore.Config{
		Dir:        dir.Path(LogName),
		FS:         dir.FS,
		Logger:     o.Logger.With("store", "log"),
		Registerer: o.Registerer,
		OnFatal:    o.Fatal,
	})
	if err != nil {
		return fmt.Errorf("open the raft log: %w", err)
	}
	name, err := o.findState(o.data.Log)
	if err != nil {
		return err
	}
	o.data.State, err = openState(dir, name, o.Store, o.Logger, o.Fatal, o.Fatal, o.Registerer)
	if err != nil {
		return fmt.Errorf("open the state: %w", err)
	}
	return nil
}

// openState opens the state in a directory of a name. Its failures are told to fatal while it is the member's, and to failing
// otherwise, also while it opens.
func openState(dir Dir, name string, o StoreOptions, log *slog.Logger, fatal, failing func(error), registerer prometheus.Registerer) (State, error) {
	serving := &atomic.Bool{}
	store, err := mvcc.Open(mvcc.Config{
		Dir:           dir.Path(name),
		FS:            dir.FS,
		Logger:        log.With("store", "state"),
		CacheBytes:    o.CacheBytes,
		MemTableBytes: o.MemTableBytes,
		OpenFilesMax:  o.OpenFilesMax,
		Registerer:    registerer,
		OnFatal: func(err error) {
			if serving.Load() {
				fatal(err)
			} else {
				failing(err)
			}
		},
	})
	return State{store, name, serving}, err
}

// checkIndexes refuses a log and a state between which committed entries are missing.
func (d *Data) checkIndexes() error {
	applied, _ := d.State.Applied()
	first, err := d.Log.FirstIndex()
	if err != nil {
		return err
	}
	last, err := d.Log.LastIndex()
	if err != nil {
		return err
	}
	if applied+1 < first {
		return fmt.Errorf("%w: the state ends at log index %d and the log begins at %d: entries between them are missing, restore the member from a snapshot or let it join anew", ErrForeignData, applied, first)
	}
	if applied > last {
		return fmt.Errorf("%w: the state is at log index %d and the log ends at %d: the log is older than the state, restore the member from a snapshot or let it join anew", ErrForeignData, applied, last)
	}
	return nil
}

// Close closes the stores that are open, the state first.
func (d *Data) Close() error {
	var errs []error
	if d.State.Store != nil {
		errs = append(errs, d.State.Close())
	}
	if d.Log != nil {
		errs = append(errs, d.Log.Close())
	}
	return errors.Join(errs...)
}

// RaftStorage is what raft reads the log from.
func (d *Data) RaftStorage() raft.Storage {
	applied, _ := d.State.Applied()
	return raftStorage{d.Log, d.ConfState, applied}
}

// raftStorage is the log with raft's configuration as of the applied state: the two are read at different indexes
// otherwise, because the state may be older than the newest configuration change in the log.
type raftStorage struct {
	raft.Storage
	confState *raftpb.ConfState
	applied   uint64
}

// InitialState returns a commit index that is no lower than what is applied: the log stores a new commit index with the
// next entries only, so that a flush of the state may have overtaken it before a crash. What was applied was committed.
func (s raftStorage) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	hardState, _, err := s.Storage.InitialState()
	if err == nil && hardState != nil && hardState.GetCommit() < s.applied {
		hardState = &raftpb.HardState{Term: hardState.Term, Vote: hardState.Vote, Commit: &s.applied}
	}
	return hardState, s.confState, err
}
