package offline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/logstore"
	"github.com/quoratedb/quorate/services/consensus/internal/membership"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/owneronly"
)

// VerifyConfig says what is verified.
type VerifyConfig struct {
	DataDir string
	// Progress is told how much of the state was read, in bytes, and about of how much; nil for nobody.
	Progress func(done, total int64)
	// Logger takes what the stores say when they are opened, nil for nobody.
	Logger *slog.Logger
}

// Verified says what is in a data directory.
type Verified struct {
	ClusterID, MemberID uint64
	Members             []*consensusv1.Member
	Alarms              []*consensusv1.Alarm
	// The log has the entries LogFirst to LogLast, and the state is at Applied, of term Term. After a kill the log is ahead.
	LogFirst, LogLast, Applied, Term uint64
	// Revision is the newest, Compacted the oldest that can be read, 0 for all.
	Revision, Compacted int64
	Keys                int64
	Leases              int
	// Digest is of all that is current, which members at the same index have in common.
	Digest uint64
	// Damage is all that is wrong, nothing where all is as it was written. What could not be read is left at zero above.
	Damage []Damage
	// StateWhole says that the state is as it was written, whatever the log is, and StateOpens that it can at least be opened: keys of it can be saved then.
	StateWhole, StateOpens bool
	// LogEntries is how many entries of a damaged log can be read.
	LogEntries int
}

// Part is what of a data directory is damaged.
type Part string

// The parts of a data directory. PartBoth is what one of the others says that does not fit the other.
const (
	PartLog   Part = "log"
	PartState Part = "state"
	PartBoth  Part = "directory"
)

// Damage is something that is wrong with a data directory.
type Damage struct {
	Part Part
	Err  error
}

// Verify reads all of a member's data, which no member uses: the log with its checksums, and the state, which is compared with its digest, with what
// leases and expirations list, with the index of counts, and its keys with the history. It goes on behind what is damaged, and says all that it has found.
// A directory is opened as a member opens it, so what a crash left open is tidied up. Errors are ErrNoData, ErrInUse, and those of the file system.
func Verify(ctx context.Context, cfg VerifyConfig) (Verified, error) {
	if cfg.Logger == nil {
		cfg.Logger = discard
	}
	o, err := openOriginal(cfg.DataDir)
	if err != nil {
		return Verified{}, err
	}
	if err := o.Close(); err != nil { // the stores take their locks themselves
		return Verified{}, err
	}
	v := verifying{ctx: ctx, cfg: cfg}
	if err := v.whole(); err != nil {
		if err := v.parts(err); err != nil {
			return v.Verified, fmt.Errorf("verify %s: %w", cfg.DataDir, err)
		}
	}
	if ctx.Err() != nil {
		return v.Verified, context.Cause(ctx)
	}
	return v.Verified, nil
}

// verifying is one call of Verify.
type verifying struct {
	Verified
	ctx context.Context
	cfg VerifyConfig
}

// damaged notes what is wrong, if anything is.
func (v *verifying) damaged(part Part, err error) {
	if err != nil && v.ctx.Err() == nil {
		v.Damage = append(v.Damage, Damage{part, err})
	}
}

// whole verifies a directory that a member can open. An error says why it cannot.
func (v *verifying) whole() error {
	var opened atomic.Bool
	err := guard(func(fatal func(error)) error {
		data, err := datadir.Open(datadir.Config{
			Dir:   datadir.Dir{FS: owneronly.FS, DataDir: v.cfg.DataDir},
			Found: foundNothing, Interrupt: v.ctx.Done(), Transport: nobody{}, Logger: v.cfg.Logger, Fatal: func(err error) {
				if !opened.Load() || !pebble.IsCorruptionError(err) { // which who reads is told, too
					fatal(err)
				}
			},
		})
		if err != nil {
			return err
		}
		opened.Store(true)
		v.ClusterID, v.MemberID, v.Members = data.ClusterID, data.MemberID, data.Members.List()
		if v.LogFirst, err = data.Log.FirstIndex(); err == nil {
			v.LogLast, err = data.Log.LastIndex()
		}
		if err == nil {
			err = data.Log.VerifyRest(v.ctx, func(ctx context.Context, _ int) error { return ctx.Err() })
		}
		v.damaged(PartLog, err)
		v.state(data.State.Store)
		if err := data.Close(); len(v.Damage) == 0 {
			return err
		}
		return nil
	})
	if opened.Load() {
		v.damaged(PartBoth, err)
		return nil
	}
	return err
}

// parts verifies log and state each by itself, where a member cannot open them together, and says why.
func (v *verifying) parts(why error) error {
	if errors.Is(why, ErrNoData) {
		return why
	}
	dir := datadir.Dir{FS: owneronly.FS, DataDir: v.cfg.DataDir}
	log, err := logstore.Open(logstore.Config{Dir: dir.Path(datadir.LogName), FS: dir.FS, Logger: v.cfg.Logger})
	if err == nil {
		v.damaged(PartLog, log.VerifyRest(v.ctx, func(ctx context.Context, _ int) error { return ctx.Err() }))
		err = log.Close()
	}
	v.damaged(PartLog, err)
	if len(v.Damage) > 0 {
		if err := v.countLog(); err != nil {
			return err
		}
	}
	before := len(v.Damage)
	err = withState(v.cfg.DataDir, v.cfg.Logger, func(store *mvcc.Store) error {
		version, _, err := membership.Read(store)
		v.Members = version.GetMembers()
		v.damaged(PartState, err)
		v.state(store)
		return nil
	})
	if !v.StateOpens || len(v.Damage) == before {
		v.damaged(PartState, err)
	}
	if len(v.Damage) == 0 {
		v.damaged(PartBoth, why)
	}
	return nil
}

// countLog says what can be read of a log that cannot be opened.
func (v *verifying) countLog() error {
	return DumpLog(v.ctx, DumpLogConfig{
		DataDir: v.cfg.DataDir,
		Head: func(h LogHead) error {
			v.ClusterID, v.MemberID = h.ClusterID, h.MemberID
			return nil
		},
		Entry: func(e LogEntry) error {
			if v.LogEntries == 0 {
				v.LogFirst = e.Index
			}
			v.LogLast = e.Index
			v.LogEntries++
			return nil
		},
		Damage: func(LogDamage) error { return nil },
	})
}

// state verifies a state.
func (v *verifying) state(store *mvcc.Store) {
	before := len(v.Damage)
	v.StateOpens = true
	v.Alarms = store.Alarms()
	v.Applied, v.Term = store.Applied()
	v.Revision, v.Compacted = store.Revision(), store.CompactedRevision()
	v.damaged(PartState, v.readState(store))
	all := []byte{0}
	counted, _, err := store.Range(v.ctx, &consensusv1.RangeOp{Key: all, RangeEnd: all, CountOnly: true})
	v.Keys = counted.GetCount()
	leases, leasesErr := store.Leases(v.ctx)
	v.Leases = len(leases)
	if err := errors.Join(err, leasesErr); len(v.Damage) == before {
		v.damaged(PartState, err)
	}
	if digests := store.Digests(); len(digests) > 0 {
		v.Digest = digests[len(digests)-1].State
	}
	v.StateWhole = len(v.Damage) == before
}

// readState reads everything twice: what is current, and then all versions and the history.
func (v *verifying) readState(store *mvcc.Store) error {
	done, total := int64(0), int64(0)
	if v.cfg.Progress != nil {
		_, total = store.Size()
	}
	pace := func(ctx context.Context, read int) error {
		if done += int64(read); v.cfg.Progress != nil {
			v.cfg.Progress(done, max(done, 2*total))
		}
		return ctx.Err()
	}
	current := store.Verify(v.ctx, pace)
	history := mvcc.VerifyHistory(v.ctx, store, pace)
	if current != nil && history != nil && !errors.Is(history, mvcc.ErrDamaged) {
		return current // it is one block that neither can read
	}
	return errors.Join(current, history)
}
