package offline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/owneronly"
)

// Errors of what is wrong with a member's data directory.
var (
	// ErrNoData is returned when there is no member's data in a directory.
	ErrNoData = errors.New("holds no data of a member")
	// ErrStateDamaged is returned when the state is not what was written to it.
	ErrStateDamaged = mvcc.ErrDamaged
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
}

// Verify reads all of a member's data, which no member uses: the log with its checksums, and the state, which is compared with its digest, with what
// leases and expirations list, and with the index of counts. It is opened as a member opens it, so what a crash left open is tidied up. The error says
// what is wrong: ErrNoData, ErrStateDamaged, or what the stores say.
func Verify(ctx context.Context, cfg VerifyConfig) (Verified, error) {
	if cfg.Logger == nil {
		cfg.Logger = discard
	}
	dir := datadir.Dir{FS: owneronly.FS, DataDir: cfg.DataDir}
	if _, err := os.Stat(dir.Path(datadir.LogName)); errors.Is(err, fs.ErrNotExist) {
		return Verified{}, fmt.Errorf("%s %w: there is no %s", cfg.DataDir, ErrNoData, dir.Path(datadir.LogName))
	}
	var v Verified
	err := guard(func(fatal func(error)) error {
		data, err := datadir.Open(datadir.Config{Dir: dir, Found: foundNothing, Interrupt: ctx.Done(), Transport: nobody{}, Logger: cfg.Logger, Fatal: fatal})
		if err != nil {
			return err
		}
		return errors.Join(v.read(ctx, cfg, data), data.Close())
	})
	if err != nil {
		err = fmt.Errorf("verify %s: %w", cfg.DataDir, err)
	}
	return v, err
}

// foundNothing is asked where a log is empty.
func foundNothing() (Founding, error) { return Founding{}, ErrNoData }

// read reads everything.
func (v *Verified) read(ctx context.Context, cfg VerifyConfig, data *datadir.Data) (err error) {
	v.ClusterID, v.MemberID = data.ClusterID, data.MemberID
	v.Members, v.Alarms = data.Members.List(), data.State.Alarms()
	v.Applied, v.Term = data.State.Applied()
	v.Revision, v.Compacted = data.State.Revision(), data.State.CompactedRevision()
	if v.LogFirst, err = data.Log.FirstIndex(); err != nil {
		return err
	}
	if v.LogLast, err = data.Log.LastIndex(); err != nil {
		return err
	}
	if err := data.Log.VerifyRest(ctx, func(ctx context.Context, _ int) error { return ctx.Err() }); err != nil {
		return err
	}
	done, total := int64(0), int64(0)
	if cfg.Progress != nil {
		_, total = data.State.Size()
	}
	err = data.State.Verify(ctx, func(ctx context.Context, read int) error {
		if done += int64(read); cfg.Progress != nil {
			cfg.Progress(done, max(done, total))
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	all := []byte{0}
	counted, _, err := data.State.Range(ctx, &consensusv1.RangeOp{Key: all, RangeEnd: all, CountOnly: true})
	if err != nil {
		return err
	}
	leases, err := data.State.Leases(ctx)
	v.Keys, v.Leases = counted.GetCount(), len(leases)
	if digests := data.State.Digests(); len(digests) > 0 {
		v.Digest = digests[len(digests)-1].State
	}
	return err
}
