package offline

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/durabledir"
	"github.com/quoratedb/quorate/services/consensus/internal/etcddir"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/owneronly"
	"github.com/quoratedb/quorate/services/consensus/internal/snapshotfile"
	"github.com/quoratedb/quorate/services/consensus/internal/snapshotstate"
)

// ExportConfig says which member's data becomes that of which etcd.
type ExportConfig struct {
	// From is the data directory of a member that is stopped.
	From string
	// DataDir is made if need be, and must be empty.
	DataDir string
	// Founding is the cluster that is founded, nil for the member's own, whose members and ids are kept. Of those, Name is the one whose the directory
	// becomes, empty for the one whose it was.
	Founding *Founding
	Name     string
	// Progress, unless nil, is told again and again how much is done, in bytes, and about of how much.
	Progress func(done, total int64)
	// Logger takes what is of interest to who exports, nil for none.
	Logger *slog.Logger
}

// Exported says what there is in a directory that was exported, and what is not.
type Exported struct {
	Founding Founding
	// Revision is the newest, Compacted the oldest that can be read, 0 for all.
	Revision, Compacted int64
	Keys                int64
	Leases              int
	Users, Roles        int
	// Index and Term are those of the newest entry of the log. Of its entries, Replayed were not yet in the state; Unconfirmed of them the
	// member did not know to be committed.
	Index, Term           uint64
	Replayed, Unconfirmed uint64
	// Learners is how many members are no voters: an etcd takes one, unless it is told otherwise.
	Learners int
	// Dirs and Expirations are how many directories of v2 are left out, and how many keys lose their time to live; Quotas how many quotas by
	// prefix are left out. Guest says that requests of v2 without credentials had the role guest.
	Dirs, Expirations int64
	Quotas            int
	Guest             bool
	Alarms            []*consensusv1.Alarm // which are left out
	// Marked says that no key was changed in the newest revision, so that the deletion of one that never was stands for it.
	Marked bool
}

// Export makes the data directory of an etcd, from 3.5 on, from that of a member that is stopped, be it by a kill: with all that was acknowledged
// to it, as Migrate has it the other way. It is whole and on the disk when Export returns, or, after an error, as it was before; From is never
// written to. Errors are those of this package and of the file system.
func Export(ctx context.Context, cfg ExportConfig) (Exported, error) {
	if cfg.Logger == nil {
		cfg.Logger = discard
	}
	e := &export{ctx: ctx, cfg: cfg}
	err := fill(cfg.DataDir, func(part string) error {
		return withCopy(ctx, cfg.From, part, cfg.Logger, func(c *copied) error { return e.fill(c, part) })
	})
	return e.done, err
}

// copied is a copy of a member's data, in which all of its log is carried out.
type copied struct {
	*datadir.Data
	// replayed entries were not yet in the state, and unconfirmed of them not known to be committed.
	replayed, unconfirmed uint64
}

// withCopy opens a copy of a member's data, made below part. The original is nobody's meanwhile.
func withCopy(ctx context.Context, from, part string, log *slog.Logger, fn func(*copied) error) (err error) {
	o, err := openOriginal(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	const copyName = "copy"
	if err := o.copyTo(ctx, filepath.Join(part, copyName)); err != nil {
		return err
	}
	return guard(func(fatal func(error)) error {
		data, err := datadir.Open(datadir.Config{
			Dir:   datadir.Dir{FS: owneronly.FS, DataDir: filepath.Join(part, copyName)},
			Found: foundNothing, Interrupt: ctx.Done(), Transport: nobody{}, Logger: log, Fatal: fatal,
		})
		if err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
		return errors.Join(caughtUp(ctx, from, data, fn), data.Close())
	})
}

func caughtUp(ctx context.Context, from string, data *datadir.Data, fn func(*copied) error) error {
	applied, _ := data.State.Applied()
	if applied == 0 {
		return fmt.Errorf("%s %w", from, ErrNoState)
	}
	if err := catchUp(ctx, data); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	last, _ := data.State.Applied()
	hardState, _, err := data.Log.InitialState()
	if err != nil {
		return err
	}
	return fn(&copied{data, last - applied, last - min(last, max(applied, hardState.GetCommit()))})
}

// export is one call of Export.
type export struct {
	ctx  context.Context
	cfg  ExportConfig
	done Exported
	// newest is the newest revision of a version, and lastKey the last of the keys.
	newest  int64
	lastKey []byte
}

// fill makes the etcd's directory below part.
func (e *export) fill(c *copied, part string) (err error) {
	e.done.Replayed, e.done.Unconfirmed = c.replayed, c.unconfirmed
	if e.done.Founding, err = e.founding(c.Data); err != nil {
		return err
	}
	member := filepath.Join(part, "member")
	snap := filepath.Join(member, "snap")
	if err := os.MkdirAll(snap, 0o700); err != nil {
		return err
	}
	hardState, _, err := c.Log.InitialState()
	if err != nil {
		return err
	}
	if err := e.writeDatabase(c.Data, part, filepath.Join(snap, "db")); err != nil {
		return err
	}
	f := e.done.Founding
	err = etcddir.Found(member, etcddir.Founding{
		ClusterID: f.ClusterID, MemberID: f.MemberID, Index: e.done.Index, Term: e.done.Term, Voted: hardState.GetTerm(),
		Members: f.Members, Removed: e.removed(c.Data),
	})
	for _, dir := range []string{snap, filepath.Join(member, "wal"), member} {
		err = errors.Join(err, durabledir.Sync(owneronly.FS, dir))
	}
	return err
}

// founding says whose the directory becomes.
func (e *export) founding(data *datadir.Data) (Founding, error) {
	if e.cfg.Founding != nil {
		return *e.cfg.Founding, e.cfg.Founding.CheckIDs()
	}
	return ownFounding(Founding{ClusterID: data.ClusterID, MemberID: data.MemberID, Members: data.Members.List()}, e.cfg.Name, "the member of "+e.cfg.From, "export")
}

// removed are ids that never come back to the cluster, of a new one none.
func (e *export) removed(data *datadir.Data) []uint64 {
	if e.cfg.Founding != nil {
		return nil
	}
	return data.Members.Newest().GetRemovedIds()
}

// writeDatabase writes the etcd's database.
func (e *export) writeDatabase(data *datadir.Data, part, path string) (err error) {
	snapshot, err := data.State.Snapshot(e.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	state, err := snapshotstate.Of(e.ctx, snapshot)
	if err != nil {
		return err
	}
	if err := e.count(data, &state); err != nil {
		return err
	}
	state.AnyEtcd, state.ClusterVersion = true, "" // the etcd that is started says which it is
	state.Members, state.ConfState = e.done.Founding.Members, membership.ConfState(e.done.Founding.Members)
	state.RemovedMembers = e.removed(data)
	state.Versions = e.versions(state.Versions)
	state.Alarms, state.Ours = nil, nil
	progress := &making{told: e.cfg.Progress}
	_, progress.estimated = data.State.Size()
	state.Progress = progress.built
	built, err := snapshotfile.Build(e.ctx, part, state)
	if err != nil {
		return err
	}
	return errors.Join(writeFile(built, path, false, progress), built.Close())
}

// count says what there is, and what stays behind.
func (e *export) count(data *datadir.Data, state *snapshotfile.State) error {
	d := &e.done
	d.Index, d.Term = state.AppliedIndex, state.AppliedTerm
	d.Revision, d.Compacted = state.Ours.Revision, state.CompactedRevision
	d.Users, d.Roles, d.Guest, d.Quotas = len(state.Users), len(state.Roles), state.Auth.GetGuest(), len(state.Ours.Records)
	d.Alarms = state.Alarms
	for _, m := range d.Founding.Members {
		if m.GetIsLearner() {
			d.Learners++
		}
	}
	for _, err := range state.Ours.Dirs {
		if err != nil {
			return err
		}
		d.Dirs++
	}
	leases, err := data.State.Leases(e.ctx)
	if err != nil {
		return err
	}
	d.Leases = len(leases)
	all := []byte{0}
	counted, _, err := data.State.Range(e.ctx, &consensusv1.RangeOp{Key: all, RangeEnd: all, CountOnly: true})
	d.Keys = counted.GetCount()
	return err
}

// versions are those of the state, and one more where none has the newest revision, which a directory of v2 may have made: an etcd takes the
// newest that it finds, and would give revisions anew that clients have seen. Keys come in order, so that no key is behind the last one.
func (e *export) versions(of iter.Seq2[snapshotfile.Version, error]) iter.Seq2[snapshotfile.Version, error] {
	return func(yield func(snapshotfile.Version, error) bool) {
		for v, err := range of {
			if err == nil {
				e.newest, e.lastKey = max(e.newest, v.KV.GetModRevision()), append(e.lastKey[:0], v.KV.GetKey()...)
				if v.Expiration != 0 {
					e.done.Expirations++
				}
			}
			if !yield(v, err) {
				return
			}
		}
		if max(e.newest, e.done.Compacted) < e.done.Revision && e.done.Revision > 1 {
			e.done.Marked = true
			yield(snapshotfile.Version{Tombstone: true, KV: &mvccpb.KeyValue{Key: append(e.lastKey, "\x00quorate"...), ModRevision: e.done.Revision}}, nil)
		}
	}
}

// writeFile writes a snapshot's file, with or without its checksum, and has it on the disk.
func writeFile(from *snapshotfile.File, path string, checksum bool, progress *making) error {
	size, err := from.Size()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := from.WriteTo(&counted{to: f, size: size, of: progress})
	if err == nil && !checksum {
		err = f.Truncate(n - sha256.Size)
	}
	return errors.Join(err, f.Sync(), f.Close())
}
