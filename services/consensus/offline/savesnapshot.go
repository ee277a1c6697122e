package offline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/durabledir"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/owneronly"
	"github.com/quoratedb/quorate/services/consensus/internal/snapshotfile"
	"github.com/quoratedb/quorate/services/consensus/internal/snapshotstate"
)

// SaveConfig says which member's data is saved, and what of it.
type SaveConfig struct {
	// DataDir is the data directory of a member that is stopped.
	DataDir string
	// Path is the file that is made. There must be none.
	Path string
	// WithoutLog leaves out what is in the log and not yet in the state: where the log is damaged, the state as it was flushed last is what is left.
	WithoutLog bool
	// SkipDamaged passes over keys that cannot be read, and implies WithoutLog.
	SkipDamaged bool
	// Progress, unless nil, is told again and again how much is done, in bytes, and about of how much.
	Progress func(done, total int64)
	// Logger takes what the stores say, nil for nobody.
	Logger *slog.Logger
}

// Saved says what is in a file that was saved.
type Saved struct {
	// Revision is the newest, Compacted the oldest that can be read, 0 for all.
	Revision, Compacted int64
	// Index and Term are those of the newest entry in it; Replayed entries were not yet in the state.
	Index, Term, Replayed uint64
	Lost                  []Lost
}

// Lost are keys that could not be read: those behind After and before Before, nil for the first and the last ones.
type Lost struct {
	After, Before []byte
	Err           error
}

// SaveSnapshot writes the data of a stopped member into a snapshot's file, as Quorate's own snapshots are, and never writes to the data. The file
// is whole and on the disk when it returns, or, after an error, not there. Errors are those of this package, of the stores and of the file system.
func SaveSnapshot(ctx context.Context, cfg SaveConfig) (saved Saved, err error) {
	if cfg.Logger == nil {
		cfg.Logger = discard
	}
	if _, err := os.Lstat(cfg.Path); err == nil {
		return Saved{}, fmt.Errorf("%s: %w", cfg.Path, fs.ErrExist)
	}
	part := cfg.Path + ".part"
	if err := os.Mkdir(part, 0o700); err != nil {
		return Saved{}, fmt.Errorf("make a directory to work in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(part)) }()
	s := &saving{ctx: ctx, cfg: cfg, part: part}
	if cfg.WithoutLog || cfg.SkipDamaged {
		err = s.stateAlone()
	} else {
		err = withCopy(ctx, cfg.DataDir, part, cfg.Logger, func(c *copied) error {
			s.saved.Replayed = c.replayed
			return s.write(c.State.Store)
		})
	}
	return s.saved, err
}

// saving is one call of SaveSnapshot.
type saving struct {
	ctx   context.Context
	cfg   SaveConfig
	part  string
	saved Saved
}

// stateAlone saves the state as it was flushed.
func (s *saving) stateAlone() (err error) {
	o, err := openOriginal(s.cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	if err := o.copyTo(s.ctx, s.part); err != nil {
		return err
	}
	return withState(s.part, s.cfg.Logger, s.write)
}

// withState opens the newest state of a data directory without its log. Damage that is found while it is read is the reader's affair.
func withState(dataDir string, log *slog.Logger, fn func(*mvcc.Store) error) error {
	dir := datadir.Dir{FS: owneronly.FS, DataDir: dataDir}
	names, err := os.ReadDir(dir.Path(""))
	if err != nil {
		return err
	}
	var newest string
	var newestIndex uint64
	var failed error
	for _, name := range names {
		if name.Name() != datadir.StateName && !strings.HasPrefix(name.Name(), datadir.ReceivedPrefix) {
			continue
		}
		store, err := openState(dir, name.Name(), log)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", name.Name(), err))
			continue
		}
		if index, _ := store.Applied(); index > newestIndex {
			newest, newestIndex = name.Name(), index
		}
		_ = store.Close() // which fails where it is damaged
	}
	if newest == "" {
		return errors.Join(fmt.Errorf("%s %w", dataDir, ErrNoState), failed)
	}
	store, err := openState(dir, newest, log)
	if err != nil {
		return err
	}
	return errors.Join(fn(store), store.Close())
}

func openState(dir datadir.Dir, name string, log *slog.Logger) (*mvcc.Store, error) {
	return mvcc.Open(mvcc.Config{Dir: dir.Path(name), FS: dir.FS, Logger: log, OnFatal: func(error) {}})
}

// write writes the file.
func (s *saving) write(store *mvcc.Store) (err error) {
	snapshot, err := store.Snapshot(s.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	state, err := snapshotstate.Of(s.ctx, snapshot)
	if err != nil {
		return err
	}
	s.saved.Revision, s.saved.Compacted = state.Ours.Revision, state.CompactedRevision
	s.saved.Index, s.saved.Term = state.AppliedIndex, state.AppliedTerm
	if s.cfg.SkipDamaged {
		state.Versions = s.salvaged(snapshot)
	}
	progress := &making{told: s.cfg.Progress}
	_, progress.estimated = store.Size()
	state.Progress = progress.built
	built, err := snapshotfile.Build(s.ctx, s.part, state)
	if err != nil {
		return err
	}
	whole := filepath.Join(s.part, "snapshot")
	if err := errors.Join(writeFile(built, whole, true, progress), built.Close()); err != nil {
		return err
	}
	if err := os.Rename(whole, s.cfg.Path); err != nil {
		return err
	}
	return durabledir.Sync(owneronly.FS, filepath.Dir(s.cfg.Path))
}

// salvaged are the versions that can be read.
func (s *saving) salvaged(snapshot *mvcc.Snapshot) func(yield func(snapshotfile.Version, error) bool) {
	return func(yield func(snapshotfile.Version, error) bool) {
		errEnough := errors.New("enough")
		err := snapshot.Salvage(s.ctx, func(sub, expiration int64, tombstone bool, kv *mvccpb.KeyValue) error {
			if !yield(snapshotfile.Version{Sub: sub, Tombstone: tombstone, KV: kv, Expiration: expiration}, nil) {
				return errEnough
			}
			return nil
		}, func(after, before []byte, cause error) error {
			s.saved.Lost = append(s.saved.Lost, Lost{after, before, cause})
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(snapshotfile.Version{}, err)
		}
	}
}
