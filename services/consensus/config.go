package consensus

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/internal/audit"
	"github.com/quoratedb/quorate/services/consensus/internal/auth"
	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
	"github.com/quoratedb/quorate/services/consensus/internal/owneronly"
)

// Config says what a member is and where it lives.
type Config struct {
	// DataDir holds everything the member must remember, below DataDir/member. It is created when missing.
	DataDir string
	// Name and ClientURLs are made known to the cluster once the member has joined.
	Name       string
	ClientURLs []string

	// ClusterID, MemberID and Members describe a new cluster, the same on each of its members. A data directory that
	// holds a member already knows better, and they are not looked at, as with etcd.
	ClusterID uint64
	MemberID  uint64
	// ClusterToken tells clusters apart that were made alike. A data directory of a cluster with another token is
	// refused. Empty stands for DefaultClusterToken in a new cluster, and for any token in one that exists.
	ClusterToken string
	Members      []*consensusv1.Member

	// Join says that the cluster exists already: Members are its members, this one among them, and the state comes from
	// one of them.
	Join bool

	// Found, unless nil, says at the first start what ClusterID, MemberID, ClusterToken, Members and Join say otherwise. It
	// is not called where the data directory holds a member: what it costs to find out, and the mistakes that can be made
	// with it, belong to the first start alone.
	Found func() (Founding, error)

	// ForceNewCluster makes the member the only one of its cluster, where its data directory holds one: the way back when
	// most members are lost for good. It is done once; a later start with it does nothing until there was one without.
	ForceNewCluster bool

	// HeartbeatInterval is how long a tick of raft's clock is, ElectionTicks how many of them a follower waits for
	// its leader.
	HeartbeatInterval time.Duration
	ElectionTicks     int

	// LaxReconfiguration lets members be added and removed where that could cost the quorum.
	LaxReconfiguration bool

	// SnapshotCount is how many applied entries the log keeps for members that are behind.
	SnapshotCount uint64
	// QuotaBytes bounds what the state may have in use before writes are refused, 0 for no bound.
	QuotaBytes int64
	// DiskMarks keep room on the disks, whatever the quota.
	DiskMarks DiskMarks
	// CacheBytes and MemTableBytes size the state store's block cache and write buffer, 0 for its defaults.
	CacheBytes    int64
	MemTableBytes uint64
	// OpenFilesMax bounds the files that the state store keeps open, 0 for its default.
	OpenFilesMax int

	// AutoCompaction drops old revisions by itself.
	AutoCompaction AutoCompaction

	// StateCheck says when the state is read as a whole, to find damage that no checksum shows.
	StateCheck StateCheck
	// Auditor asks the other members what they have, nil where that is not to be compared.
	Auditor Auditor

	// SlowApply is how long a batch of the log may take to be applied until that is logged, 0 for never.
	SlowApply time.Duration

	// TokenTTL is how long a token lives after it was made or used last, 0 for DefaultTokenTTL.
	TokenTTL time.Duration
	// BcryptCost is what the hash of a new password costs, 0 for DefaultBcryptCost.
	BcryptCost int
	// CompactRoot leaves compactions to users with the role of root; without it any user may compact, and without
	// authentication anybody.
	CompactRoot bool

	// Interrupt has New give up once it is closed, nil never.
	Interrupt <-chan struct{}

	FS         vfs.FS    // nil for the machine's, with files that are their owner's alone
	Clock      Clock     // nil for the machine's
	Transport  Transport // nil where there are no other members
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil for no metrics
}

// Founding is what a member must be told once: see the fields of Config that have the same names.
type Founding = datadir.Founding

// DefaultTokenTTL and DefaultBcryptCost are etcd's.
const (
	DefaultTokenTTL   = 5 * time.Minute
	DefaultBcryptCost = auth.DefaultCost
)

// DefaultClusterToken is the token of a cluster that was given none.
const DefaultClusterToken = datadir.DefaultClusterToken

// Auditor asks other members for their digests.
type Auditor = audit.Peers

// StateCheck is a matter of reading: what the members tell each other of their states costs next to nothing, and is always
// compared.
type StateCheck struct {
	// Interval is how often the state is read, 0 for never.
	Interval time.Duration
	// SkipInitial lets the member serve without having compared or read its state first.
	SkipInitial bool
}

// AutoCompaction says which history is dropped without being asked. The zero value keeps all.
type AutoCompaction struct {
	// Retention keeps what is younger.
	Retention time.Duration
	// Revisions keeps so many of the newest revisions.
	Revisions int64
}

// ticks is Clock's for those who only want the time.
func (c Config) ticks(interval time.Duration) (<-chan time.Time, func()) {
	ticker := c.Clock.NewTicker(interval)
	return ticker.C(), ticker.Stop
}

// electionTimeout is how long a follower waits for its leader.
func (c Config) electionTimeout() time.Duration {
	return c.HeartbeatInterval * time.Duration(c.ElectionTicks)
}

// dir is where the member's data lies.
func (c Config) dir() datadir.Dir { return datadir.Dir{FS: c.FS, DataDir: c.DataDir} }

func (c Config) storeOptions() datadir.StoreOptions {
	return datadir.StoreOptions{CacheBytes: c.CacheBytes, MemTableBytes: c.MemTableBytes, OpenFilesMax: c.OpenFilesMax}
}

// founding is what the configuration says of a new cluster.
func (c Config) founding() Founding {
	return Founding{ClusterID: c.ClusterID, MemberID: c.MemberID, ClusterToken: c.ClusterToken, Members: c.Members, Join: c.Join}
}

// withDefaults fills in what may be left out.
func (c Config) withDefaults() Config {
	if c.FS == nil {
		c.FS = owneronly.FS
	}
	if c.TokenTTL == 0 {
		c.TokenTTL = DefaultTokenTTL
	}
	if c.BcryptCost == 0 {
		c.BcryptCost = DefaultBcryptCost
	}
	if c.Clock == nil {
		c.Clock = SystemClock{}
	}
	if c.Transport == nil {
		c.Transport = noPeers{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports everything that is wrong with the configuration, at once.
func (c Config) Validate() error {
	var problems []error
	complain := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.DataDir == "" {
		complain("the data directory is not set")
	}
	if c.Found == nil {
		problems = append(problems, c.founding().CheckIDs())
	}
	if c.HeartbeatInterval <= 0 {
		complain("heartbeat interval %s is not above zero", c.HeartbeatInterval)
	}
	if c.ElectionTicks < 2 {
		complain("%d election ticks are too few: a follower must hear at least one heartbeat in that time", c.ElectionTicks)
	}
	if c.QuotaBytes < 0 {
		complain("quota of %d bytes is negative", c.QuotaBytes)
	}
	if c.TokenTTL < 0 {
		complain("a token's life of %s is negative", c.TokenTTL)
	}
	if err := auth.CheckCost(c.BcryptCost); err != nil {
		problems = append(problems, err)
	}
	if c.StateCheck.Interval < 0 {
		complain("an interval of %s between checks of the state is negative", c.StateCheck.Interval)
	}
	if c.AutoCompaction.Retention < 0 || c.AutoCompaction.Revisions < 0 {
		complain("auto-compaction retention %s, %d revisions is negative", c.AutoCompaction.Retention, c.AutoCompaction.Revisions)
	}
	if c.AutoCompaction.Retention > 0 && c.AutoCompaction.Revisions > 0 {
		complain("auto-compaction keeps either a time or a number of revisions, not both")
	}
	return errors.Join(problems...)
}
