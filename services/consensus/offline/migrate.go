package offline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/etcddir"
	"github.com/quoratedb/quorate/services/consensus/internal/etcdreplay"
	"github.com/quoratedb/quorate/services/consensus/internal/mvcc"
	"github.com/quoratedb/quorate/services/consensus/internal/owneronly"
	"github.com/quoratedb/quorate/services/consensus/internal/snapshotfile"
	"github.com/quoratedb/quorate/services/consensus/internal/statemachine"
)

// Errors of what is wrong with an etcd's data directory, beside ErrForeign and ErrDamaged.
var (
	// ErrUnknownVersion is returned when the directory is of an etcd before 3.4 or after 3.7.
	ErrUnknownVersion = errors.New("is of a version that is not known")
	// ErrNotMember is returned when the member does not belong to its cluster any more, or there is none of the name that was asked for.
	ErrNotMember = errors.New("is no member of the cluster")
)

// Conflict is a path of the v2 store that is not taken along, and why.
type Conflict = etcdreplay.Refusal

// MigrateConfig says which etcd's data becomes whose.
type MigrateConfig struct {
	// From is the etcd's data directory, and WALDir where its log is, empty for below From.
	From, WALDir string
	// DataDir is made if need be, and must be empty.
	DataDir string
	// Founding is the cluster that is founded, nil for the etcd's own, whose members and ids are kept. Of those, Name is the one whose the directory
	// becomes, empty for the one whose it was.
	Founding *Founding
	Name     string
	// Progress, unless nil, is told again and again how many bytes of the database are migrated, and of how many.
	Progress func(done, total int64)
	// Logger takes what is of interest to who migrates, nil for none.
	Logger *slog.Logger
}

// Migrated says what there is in a data directory that was migrated.
type Migrated struct {
	Founding Founding
	// Revision is the newest, Compacted the oldest that can be read, 0 for all.
	Revision, Compacted int64
	Keys                int64
	Leases              int
	Users, Roles        int
	Alarms              []*consensusv1.Alarm // of the etcd's cluster, which are not taken along
	// Index and Term are those of the newest entry of the log. Of its entries, Replayed were not yet in the database; Unconfirmed of them the
	// member did not know to be committed.
	Index, Term           uint64
	Replayed, Unconfirmed uint64
	// Torn says where the log ends in something half written, empty if it does not.
	Torn string
	// V2 is how many nodes of the v2 store came along, and Conflicts are those that did not.
	V2        int64
	Conflicts []Conflict
}

const (
	// lockWait is how long a database may be locked: an etcd that runs does not let go of it.
	lockWait = 200 * time.Millisecond
	// The versions of etcd whose directories are understood.
	oldestMinor, newestMinor = 4, 7
	// firstWithoutV2 is the minor version of the first etcd without a v2 store.
	firstWithoutV2 = 6
)

// Migrate founds a member's data directory from that of an etcd that is stopped, be it by a kill. What is in its log and not yet in its database
// is carried out, to the end of the log: all that was acknowledged is there, and of a cluster so it is on the member whose log is the
// furthest. All members of a cluster are migrated from a copy of the same directory. It is whole and on the disk when Migrate returns, or, after an
// error, as it was before; From is never written to. Errors are those of this package and of the file system.
func Migrate(ctx context.Context, cfg MigrateConfig) (Migrated, error) {
	if cfg.Logger == nil {
		cfg.Logger = discard
	}
	m := &migration{ctx: ctx, cfg: cfg, snapDir: filepath.Join(cfg.From, "member", "snap")}
	r, err := m.open(filepath.Join(m.snapDir, "db"))
	if err != nil {
		return Migrated{}, err
	}
	err = r.Read(m.read)
	return m.done, errors.Join(err, r.Close())
}

// migration is one call of Migrate.
type migration struct {
	ctx     context.Context
	cfg     MigrateConfig
	snapDir string
	snap    etcddir.Snap
	log     *etcddir.Log
	// minor is the etcd's minor version, and withV2 says that there may be keys of v2.
	minor  int
	withV2 bool
	done   Migrated
}

func (m *migration) open(db string) (*snapshotfile.Reader, error) {
	if _, err := os.Stat(db); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s %w: there is no %s", m.cfg.From, etcddir.ErrForeign, db)
	}
	return snapshotfile.Open(m.ctx, Snapshot{Path: db, SkipChecksum: true, Timeout: lockWait})
}

// read is called with what the database has.
func (m *migration) read(c *snapshotfile.Content) error {
	var err error
	if m.minor, m.withV2, err = checkVersion(m.cfg.From, c); err != nil {
		return err
	}
	if m.snap, err = etcddir.ReadSnap(m.snapDir, math.MaxUint64); err != nil {
		return err
	}
	if m.snap.Index <= c.AppliedIndex {
		return m.readLog(c)
	}
	// Another member has sent a database, and etcd was stopped before it took that for its own.
	r, err := m.open(filepath.Join(m.snapDir, fmt.Sprintf("%016x.snap.db", m.snap.Index)))
	if err != nil {
		return fmt.Errorf("the database ends at entry %d, and the newest .snap file at %d: %w", c.AppliedIndex, m.snap.Index, err)
	}
	return errors.Join(r.Read(m.readLog), r.Close())
}

// readLog is called with the database that the log goes on from.
func (m *migration) readLog(c *snapshotfile.Content) (err error) {
	first := c.AppliedIndex + 1
	if m.withV2 {
		first = min(first, m.snap.Index+1)
	}
	walDir := cmp.Or(m.cfg.WALDir, filepath.Join(m.cfg.From, "member", "wal"))
	if m.log, err = etcddir.OpenLog(m.ctx, walDir, first); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.log.Close()) }()
	if last, _ := m.log.Last(); m.log.First() != first || last < c.AppliedIndex {
		return fmt.Errorf("the write-ahead log in %s %w: it has entries %d to %d, and the database ends at %d", walDir, etcddir.ErrDamaged, m.log.First(), last, c.AppliedIndex)
	}
	return fill(m.cfg.DataDir, func(part string) error { return m.fill(c, part) })
}

// checkVersion refuses what other versions may have written otherwise.
func checkVersion(dir string, c *snapshotfile.Content) (minor int, withV2 bool, err error) {
	version := cmp.Or(c.StorageVersion, c.ClusterVersion)
	if version == "" { // no leader has said yet which one it is: an etcd of 3.4 or 3.5 that has just begun
		return oldestMinor, true, nil
	}
	major, rest, _ := strings.Cut(version, ".")
	text, _, _ := strings.Cut(rest, ".")
	minor, err = strconv.Atoi(text)
	if major != "3" || err != nil || minor < oldestMinor || minor > newestMinor {
		return 0, false, fmt.Errorf("%s %w: it is of etcd %s, and those of 3.%d to 3.%d are: have an etcd of these take it over first", dir, ErrUnknownVersion, version, oldestMinor, newestMinor)
	}
	return minor, c.StorageVersion == "" && minor < firstWithoutV2, nil
}

// fill makes the data directory.
func (m *migration) fill(c *snapshotfile.Content, part string) error {
	loaded, err := load(m.ctx, RestoreConfig{Logger: m.cfg.Logger, Progress: m.cfg.Progress}, part, c)
	if err != nil {
		return err
	}
	m.done.Compacted = loaded.Compacted
	members := etcdreplay.NewMembers(c.Members)
	if err := guard(func(fatal func(error)) error { return m.replay(c, part, members, fatal) }); err != nil {
		return err
	}
	if err := m.chooseFounding(members.List()); err != nil {
		return err
	}
	return found(m.ctx, m.done.Founding, m.cfg.Logger, part)
}

// replay carries out what the database does not have.
func (m *migration) replay(c *snapshotfile.Content, part string, members etcdreplay.Members, fatal func(error)) (err error) {
	dir := datadir.Dir{FS: owneronly.FS, DataDir: part}
	store, err := mvcc.Open(mvcc.Config{Dir: dir.Path(datadir.StateName), FS: dir.FS, Logger: m.cfg.Logger, OnFatal: fatal})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	r := etcdreplay.New(m.ctx, store, members, c.Alarms)
	defer func() { err = errors.Join(err, r.Close()) }()
	r.RootToo = m.minor == oldestMinor
	if err := m.eachEntry(c.AppliedIndex+1, r.Apply); err != nil {
		return err
	}
	if err := r.End(); err != nil {
		return err
	}
	if m.withV2 {
		if err := m.takeV2(part, store, fatal); err != nil {
			return err
		}
	}
	m.done.Alarms = r.Alarms()
	if m.done.Index, m.done.Term = m.log.Last(); m.done.Term == 0 { // a log without entries goes on from the database
		m.done.Term = c.AppliedTerm
	}
	m.done.Replayed = m.done.Index - c.AppliedIndex
	m.done.Unconfirmed = m.done.Index - min(m.done.Index, max(c.AppliedIndex, m.log.Commit))
	m.done.Torn = m.log.Torn
	return errors.Join(m.count(store), store.Flush())
}

// eachEntry calls fn with the entries of the log from one on.
func (m *migration) eachEntry(from uint64, fn func(*raftpb.Entry) error) error {
	last, _ := m.log.Last()
	for index := from; index <= last; index++ {
		if m.ctx.Err() != nil {
			return context.Cause(m.ctx)
		}
		entry, err := m.log.Entry(index)
		if err == nil {
			err = fn(entry)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takeV2 brings the keys of the v2 store along.
func (m *migration) takeV2(part string, store *mvcc.Store, fatal func(error)) (err error) {
	tree, err := etcdreplay.NewTree(m.ctx, mvcc.Config{
		Dir: filepath.Join(part, "v2"), FS: owneronly.FS, Logger: m.cfg.Logger, OnFatal: fatal,
	}, filepath.Join(part, sortingName), m.snap)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tree.Close()) }()
	if err := m.eachEntry(m.snap.Index+1, tree.Apply); err != nil {
		return err
	}
	m.done.V2, m.done.Conflicts, err = tree.MoveTo(store)
	return err
}

// count says what there is.
func (m *migration) count(store *mvcc.Store) error {
	all := []byte{0}
	counted, _, err := store.Range(m.ctx, &consensusv1.RangeOp{Key: all, RangeEnd: all, CountOnly: true})
	if err != nil {
		return err
	}
	leases, err := store.Leases(m.ctx)
	if err != nil {
		return err
	}
	state, err := statemachine.New(store).Auth()
	if err != nil {
		return err
	}
	_, users, roles := state.Exported()
	m.done.Revision, m.done.Compacted = store.Revision(), store.CompactedRevision()
	m.done.Keys, m.done.Leases, m.done.Users, m.done.Roles = counted.GetCount(), len(leases), len(users), len(roles)
	return nil
}

// chooseFounding says whose the directory becomes.
func (m *migration) chooseFounding(members []*consensusv1.Member) error {
	if m.cfg.Founding != nil {
		m.done.Founding = *m.cfg.Founding
		return m.done.Founding.CheckIDs()
	}
	var err error
	m.done.Founding, err = ownFounding(Founding{ClusterID: m.log.ClusterID, MemberID: m.log.MemberID, Members: members}, m.cfg.Name, "the etcd of "+m.cfg.From, "migrate")
	return err
}

// ownFounding is the cluster of who has a directory, for the member of a name or, without one, whose id there is. Who says whose the directory is, and
// what is done with it.
func ownFounding(f Founding, name, who, verb string) (Founding, error) {
	own := slices.IndexFunc(f.Members, func(member *consensusv1.Member) bool {
		if name != "" {
			return member.GetName() == name
		}
		return member.GetId() == f.MemberID
	})
	switch {
	case own < 0 && name != "":
		return Founding{}, fmt.Errorf("%s %w: they are %s", name, ErrNotMember, namesOf(f.Members))
	case own < 0:
		return Founding{}, fmt.Errorf("%s %w any more, which are %s: %s the directory of one that is, or say with --initial-cluster who founds the new cluster", who, ErrNotMember, namesOf(f.Members), verb)
	}
	f.MemberID = f.Members[own].GetId()
	return f, f.CheckIDs()
}

func namesOf(members []*consensusv1.Member) string {
	var names []string
	for _, member := range members {
		names = append(names, cmp.Or(member.GetName(), strings.Join(member.GetPeerUrls(), ",")))
	}
	return strings.Join(names, ", ")
}
