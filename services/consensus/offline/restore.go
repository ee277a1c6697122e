package offline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/durabledir"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/owneronly"
	"github.com/quoratedb/quorate/services/consensus/internal/snapshotfile"
)

// Errors of what is wrong with a snapshot's file.
var (
	// ErrForeign is returned when a file is no bbolt database, or not one of etcd's.
	ErrForeign = snapshotfile.ErrForeign
	// ErrNoChecksum is returned when no checksum follows the database, and Snapshot.SkipChecksum is not set.
	ErrNoChecksum = snapshotfile.ErrNoChecksum
	// ErrDamaged is returned when a file is not what was written.
	ErrDamaged = snapshotfile.ErrDamaged
)

// ErrNotEmpty is returned by Restore when there is something in the data directory.
var ErrNotEmpty = errors.New("is not empty")

// Founding is the cluster that a restore founds, and which of its members the directory is for.
type Founding = datadir.Founding

// Snapshot says which file is read, and how: one that `etcdctl snapshot save` has written, or with SkipChecksum a copy of etcd's database.
type Snapshot = snapshotfile.OpenConfig

// RestoreConfig says what is restored, and whose it becomes.
type RestoreConfig struct {
	Snapshot Snapshot
	// DataDir is made if need be, and must be empty.
	DataDir  string
	Founding Founding
	// BumpRevision is added to the newest revision, and what is there before is compacted then: clients that have seen revisions after the
	// snapshot see none again, and are told that what they want to go on from is gone. 0 keeps revisions as they are.
	BumpRevision uint64
	// Progress, unless nil, is told again and again how many bytes of the snapshot are restored, and of how many.
	Progress func(done, total int64)
	// Logger takes what is of interest to who restores, nil for none.
	Logger *slog.Logger
}

// Restored says what there is in a data directory that was founded.
type Restored struct {
	// Revision is the newest, Compacted the oldest that can be read, 0 for all.
	Revision, Compacted    int64
	Keys, Versions, Leases int64
	Users, Roles           int
	Alarms                 []*consensusv1.Alarm // of the snapshot's cluster, which are not restored
	// Outdated says that what only Quorate knows of, directories and expirations of v2, quotas by prefix, is left out: an etcd has changed the
	// data since it was written.
	Outdated bool
}

var discard = slog.New(slog.DiscardHandler)

const (
	// partName is where a data directory is made, below itself: it is renamed when it is whole, and a member that finds it there does not start.
	partName = datadir.RestoringName
	// sortingName is where rows are sorted, below that.
	sortingName = "sorting"
)

// Restore founds a member's data directory from a snapshot. All members of a new cluster are restored from the same file. It is whole and
// on the disk when Restore returns, or, after an error, as it was before. Errors are those of this package and of the file system.
func Restore(ctx context.Context, cfg RestoreConfig) (Restored, error) {
	if cfg.Logger == nil {
		cfg.Logger = discard
	}
	if err := cfg.Founding.CheckIDs(); err != nil {
		return Restored{}, err
	}
	r, err := snapshotfile.Open(ctx, cfg.Snapshot)
	if err != nil {
		return Restored{}, err
	}
	restored, err := restoreFrom(ctx, cfg, r)
	return restored, errors.Join(err, r.Close())
}

func restoreFrom(ctx context.Context, cfg RestoreConfig, r *snapshotfile.Reader) (restored Restored, err error) {
	err = fill(cfg.DataDir, func(part string) error {
		err := r.Read(func(c *snapshotfile.Content) error {
			restored, err = load(ctx, cfg, part, c)
			return err
		})
		if err == nil {
			err = found(ctx, cfg.Founding, cfg.Logger, part)
		}
		return err
	})
	return restored, err
}

// fill has fn make a data directory in a place of its own, and puts it into its place. After an error nothing is left of it.
func fill(dataDir string, fn func(part string) error) error {
	part, undo, err := makePart(dataDir)
	if err != nil {
		return err
	}
	if err := fn(part); err != nil {
		return errors.Join(fmt.Errorf("fill %s: %w", dataDir, err), undo())
	}
	return adoptPart(dataDir)
}

// makePart makes the directory in which the data directory is made. undo removes it, and what else was made.
func makePart(dataDir string) (part string, undo func() error, err error) {
	existed := true
	entries, err := os.ReadDir(dataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		existed = false
	case err != nil:
		return "", nil, fmt.Errorf("look at the data directory: %w", err)
	case len(entries) == 1 && entries[0].Name() == partName:
		return "", nil, fmt.Errorf("the data directory %s %w: a restore is at work there, or was cut off; if none is, remove %s", dataDir, ErrNotEmpty, filepath.Join(dataDir, partName))
	case len(entries) > 0:
		return "", nil, fmt.Errorf("the data directory %s %w: nothing is restored over what is there; name another one with --data-dir", dataDir, ErrNotEmpty)
	}
	if err := durabledir.Make(owneronly.FS, dataDir); err != nil {
		return "", nil, fmt.Errorf("make the data directory: %w", err)
	}
	part = filepath.Join(dataDir, partName)
	if err := os.Mkdir(part, 0o700); err != nil {
		return "", nil, fmt.Errorf("make a directory in the data directory: %w", err)
	}
	return part, func() error {
		if err := os.RemoveAll(part); err != nil {
			return err
		}
		if existed {
			return nil
		}
		return os.Remove(dataDir)
	}, nil
}

// adoptPart gives what was made its place.
func adoptPart(dataDir string) error {
	part := filepath.Join(dataDir, partName)
	if err := os.Rename(filepath.Join(part, "member"), filepath.Join(dataDir, "member")); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(part), durabledir.Sync(owneronly.FS, dataDir), durabledir.Sync(owneronly.FS, filepath.Dir(filepath.Clean(dataDir))))
}

// load writes the state.
func load(ctx context.Context, cfg RestoreConfig, part string, c *snapshotfile.Content) (Restored, error) {
	content := contentOf(c)
	if cfg.Progress != nil {
		content.Progress = func(part float64) { cfg.Progress(int64(part*float64(len(c.File))), int64(len(c.File))) }
	}
	if bump := cfg.BumpRevision; bump > 0 {
		if bump > uint64(math.MaxInt64-content.Revision) {
			return Restored{}, fmt.Errorf("there is no revision %d above %d", bump, content.Revision)
		}
		content.Revision += int64(bump)
		content.Compacted = content.Revision
	}
	sorting := filepath.Join(part, sortingName)
	if err := os.Mkdir(sorting, 0o700); err != nil {
		return Restored{}, err
	}
	dir := datadir.Dir{FS: owneronly.FS, DataDir: part}
	loaded, err := mvcc.Load(ctx, mvcc.Config{Dir: dir.Path(datadir.StateName), FS: dir.FS, Logger: cfg.Logger}, sorting, content)
	if err != nil {
		return Restored{}, err
	}
	return Restored{
		Revision: content.Revision, Compacted: content.Compacted,
		Keys: loaded.Keys, Versions: loaded.Versions, Leases: loaded.Leases, Users: len(c.Users), Roles: len(c.Roles),
		Alarms: c.Alarms, Outdated: c.Outdated,
	}, nil
}

// contentOf is what a snapshot holds, as a store takes it.
func contentOf(c *snapshotfile.Content) *mvcc.Content {
	content := &mvcc.Content{
		File: c.File, Revision: c.Revision, Compacted: c.CompactedRevision, Leases: c.Leases, Records: auth.Imported(c.Auth, c.Users, c.Roles),
	}
	content.VersionsFrom = func(revision int64) iter.Seq2[*mvcc.LoadVersion, error] {
		return loadVersions(c.VersionsFrom(revision))
	}
	content.Versions = content.VersionsFrom(0)
	content.Sample = func(n int) (samples []mvcc.LoadSample) {
		for _, s := range c.Sample(n) {
			samples = append(samples, mvcc.LoadSample{Revision: s.Revision, Key: s.Key})
		}
		return samples
	}
	if c.Ours == nil {
		return content
	}
	content.Revision = c.Ours.Revision
	for _, r := range c.Ours.Records {
		if content.Records == nil {
			content.Records = map[string][]byte{}
		}
		content.Records[r.Name] = r.Value
	}
	content.Dirs = mapped(c.Ours.Dirs, func(d snapshotfile.Dir) mvcc.LoadDir {
		return mvcc.LoadDir{Path: d.Path, Dir: mvcc.Dir{Create: d.Create, Mod: d.Mod, Expiration: d.Expiration}}
	})
	content.Times = mapped(c.Ours.Times, func(t snapshotfile.Time) mvcc.LoadTime {
		return mvcc.LoadTime{Revision: t.Revision, Nanoseconds: t.Nanoseconds}
	})
	return content
}

// loadVersions passes versions on, all in the same memory: there are millions.
func loadVersions(of iter.Seq2[snapshotfile.Version, error]) iter.Seq2[*mvcc.LoadVersion, error] {
	return func(yield func(*mvcc.LoadVersion, error) bool) {
		var to mvcc.LoadVersion
		for v, err := range of {
			if err == nil {
				to.Sub, to.Place, to.Key, to.Revision = v.Sub, v.Place, v.KV.GetKey(), v.KV.GetModRevision()
				to.Create, to.Version, to.Lease, to.Value = v.KV.GetCreateRevision(), v.KV.GetVersion(), v.KV.GetLease(), v.KV.GetValue()
				to.Tombstone, to.Expiration = v.Tombstone, v.Expiration
			}
			if !yield(&to, err) {
				return
			}
		}
	}
}

func mapped[A, B any](of iter.Seq2[A, error], to func(A) B) iter.Seq2[B, error] {
	return func(yield func(B, error) bool) {
		for a, err := range of {
			var b B
			if err == nil {
				b = to(a)
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// stuckTimeout is how long a storage engine may take to return once it has failed: it may wait for ever for a disk that is full.
const stuckTimeout = 3 * time.Second

// found makes the directory that of a founding member, with a log that begins behind the state.
func found(ctx context.Context, founding Founding, log *slog.Logger, part string) error {
	return guard(func(fatal func(error)) error {
		data, err := datadir.Open(datadir.Config{
			Dir:      datadir.Dir{FS: owneronly.FS, DataDir: part},
			Founding: founding, Interrupt: ctx.Done(), Transport: nobody{}, Logger: log, Fatal: fatal,
		})
		if err == nil {
			err = data.Close()
		}
		return err
	})
}

// guard runs what uses a storage engine, which is told to call fatal when it fails: it may never return then.
func guard(fn func(fatal func(error)) error) error {
	failed, done := make(chan error, 2), make(chan error, 1)
	go func() {
		done <- fn(func(err error) {
			select {
			case failed <- err:
			default:
			}
		})
	}()
	select {
	case err := <-done:
		return err
	case cause := <-failed:
		select {
		case err := <-done:
			return errors.Join(cause, err)
		case <-time.After(stuckTimeout):
			return fmt.Errorf("%w; the storage engine does not stop", cause)
		}
	}
}

// nobody is the transport of a member that does not run.
type nobody struct{}

func (nobody) SetPeers([]*consensusv1.Member)       {}
func (nobody) SetRemoved([]uint64)                  {}
func (nobody) ActiveSince(uint64) (time.Time, bool) { return time.Time{}, false }
