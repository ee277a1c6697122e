package config

import (
	"log/slog"
	"math"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quoratedb/quorate/pkg/logging"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/pkg/tracing/otlp"
	"github.com/quoratedb/quorate/services/api"
)

// Config is everything that can be set. Start from Default: the zero value is not valid. Lists of URLs hold
// scheme://host:port with http or https, or unix://path and unixs://path.
type Config struct {
	// Name is this member's among those of InitialCluster.
	Name string
	// DataDir is created when missing. Empty means Name with DataDirSuffix behind, in the working directory.
	DataDir string
	// WalDir is where the raft log lies, which is synced with every write; empty is in DataDir. It counts where a member is made.
	WalDir string
	// ListenClientURLs is where clients are served. Port 0 takes a free one, see Server.ClientURLs.
	ListenClientURLs []string
	// ListenClientHTTPURLs is served just like ListenClientURLs.
	ListenClientHTTPURLs []string
	// ListenLegacyURLs is served just like ListenClientURLs: what came before etcd 2.0 looks for it on port 4001.
	ListenLegacyURLs []string
	// AdvertiseClientURLs is where other hosts reach this member's clients' side, as the member list tells. Empty
	// means ListenClientURLs, which must then name hosts that others can reach.
	AdvertiseClientURLs []string
	// ListenMetricsURLs serve health and metrics only; those with https use ClientTLS.
	ListenMetricsURLs []string
	// ListenPeerURLs are where other members come in.
	ListenPeerURLs []string

	// InitialAdvertisePeerURLs, with InitialClusterToken, give the member its id.
	InitialAdvertisePeerURLs []string
	// InitialCluster is name=url,name=url,... of all Founding members. Empty means this member alone.
	InitialCluster      string
	InitialClusterState string // ClusterNew or ClusterExisting
	// StrictReconfigCheck refuses changes of members that could cost the quorum.
	StrictReconfigCheck bool
	// AuthCompactRoot leaves compactions to root while authentication is enabled; otherwise any user may compact.
	AuthCompactRoot     bool
	InitialClusterToken string
	// DiscoverySRV is a DNS domain whose SRV records name the founding members, DiscoverySRVName what stands behind the names
	// of the services there, with a dash. Resolver looks names up at the first start, nil for the machine's.
	DiscoverySRV     string
	DiscoverySRVName string
	Resolver         *net.Resolver
	// Discovery is where the founding members meet, unless it is empty.
	Discovery Discovery
	// PromoteWhenCaughtUp has a member that was added as a learner become a voter by itself. It means nothing to a voter.
	PromoteWhenCaughtUp bool
	// ForceNewCluster makes the member the only one of its cluster, once, where DataDir holds one: the way back when most
	// members are lost for good. Its data stays; the others must be added anew.
	ForceNewCluster bool

	// HeartbeatInterval is raft's tick, ElectionTimeout how long followers wait for a leader.
	HeartbeatInterval time.Duration
	ElectionTimeout   time.Duration
	// SnapshotCount is how many applied entries the log keeps for members that are behind, 0 for the default.
	SnapshotCount uint64
	// QuotaBackendBytes bounds what the store has in use; 0 or less means no bound.
	QuotaBackendBytes int64
	// DiskSoftMarkBytes and DiskHardMarkBytes are how much is kept free of each disk of the data directory, 0 for a part of
	// the disk, negative for nothing: with less, people are warned, or writes are refused.
	DiskSoftMarkBytes, DiskHardMarkBytes int64
	// AutoCompactionMode is CompactPeriodic or CompactRevision. AutoCompactionRetention is, for the first, a duration
	// or a number of hours, for the second a number of revisions; "0" keeps everything.
	AutoCompactionMode      string
	AutoCompactionRetention string

	// CorruptCheckTime is how often the member reads all its keys and compares them with what was written, 0 for never.
	// InitialCorruptCheck has it do so, and compare itself with the other members, before it serves, for at most half a second.
	CorruptCheckTime    time.Duration
	InitialCorruptCheck bool

	// MaxRequestBytes bounds one request, MaxTxnOps the operations of one transaction.
	MaxRequestBytes uint
	MaxTxnOps       uint
	// MaxConcurrentStreams bounds the calls under way on one connection.
	MaxConcurrentStreams uint32
	// GRPCKeepAliveMinTime is how often a client may ping. The server pings a silent connection after
	// GRPCKeepAliveInterval and drops it GRPCKeepAliveTimeout later; 0 for either switches that off.
	GRPCKeepAliveMinTime  time.Duration
	GRPCKeepAliveInterval time.Duration
	GRPCKeepAliveTimeout  time.Duration
	// EnableV2 serves the v2 API beside v3's.
	EnableV2 bool
	// EnableConsole serves the console at /console/.
	EnableConsole bool
	// CORS lists the origins whose pages may call this server from a browser, "*" for all.
	CORS []string
	// HostWhitelist lists the host names by which clients may call over HTTP without TLS; none or "*" for all.
	HostWhitelist []string
	// EnableGRPCGateway serves etcd's JSON paths, below /v3.
	EnableGRPCGateway bool
	// Audit is the log of who asked for what.
	Audit api.Audit
	// Rates are how many requests each user may make.
	Rates api.Rates
	// Outside says who else than the store is believed about who somebody is.
	Outside api.Outside

	// NATS lets NATS clients subscribe to events.
	NATS NATS
	// WatchProgressNotifyInterval is how long a watch that asked for progress may stay silent, 0 for the default.
	WatchProgressNotifyInterval time.Duration

	// AuthToken is what clients get for a name and a password, as etcd's --auth-token has it. AuthTokenTTL is how many seconds a simple
	// token lives after its last use, and BcryptCost what the hash of a new password costs.
	AuthToken    string
	AuthTokenTTL uint
	BcryptCost   uint

	// ClientTLS is for https and unixs in the client and metrics URLs. ClientAutoTLS makes a self-signed certificate
	// in the data directory, valid for SelfSignedCertValidity years, where ClientTLS names none.
	ClientTLS              tlsconfig.Server
	ClientAutoTLS          bool
	SelfSignedCertValidity uint
	// PeerTLS is for connections between members, in both directions. PeerAutoTLS makes a certificate that nobody vouches
	// for: what members say is private then, but anybody can be one.
	PeerTLS     tlsconfig.Server
	PeerAutoTLS bool
	TLSPolicy   tlsconfig.Policy
	// SetMemberLocalAddr has connections to other members come from the address in InitialAdvertisePeerURLs.
	SetMemberLocalAddr bool

	// EnablePprof serves profiles and what the runtime counts, below /debug/, where clients are served.
	EnablePprof bool
	// WarningUnaryRequestDuration is how long a call, and WarningApplyDuration how long one batch of the log may take until the log says so;
	// 0 is never.
	WarningUnaryRequestDuration, WarningApplyDuration time.Duration

	// Tracing is the export of spans.
	Tracing otlp.Config

	// LogLevel, Logger, LogFormat and LogOutputs say what is logged, and where, unless Log is set.
	LogLevel  string
	Logger    string
	LogFormat string
	// EnableLogRotation rotates the one file among LogOutputs as LogRotation says, in the JSON of etcd's flag.
	EnableLogRotation bool
	LogRotation       string
	LogOutputs        []string

	// Log takes the log of an embedded store.
	Log *slog.Logger
	// Version is the program's, as its console tells it; empty where nobody says.
	Version string
	// MetricsLevel is MetricsBasic, or MetricsExtensive: then the calls of each method are timed too.
	MetricsLevel string
	// Metrics takes the metrics, and is what the metrics Endpoint serves. Nil means a registry of the store's own. Two
	// stores in one process need one each.
	Metrics *prometheus.Registry
}

const (
	// ClusterNew and ClusterExisting are the values of Config.InitialClusterState.
	ClusterNew      = "new"
	ClusterExisting = "existing"
	// CompactPeriodic and CompactRevision are the values of Config.AutoCompactionMode.
	CompactPeriodic = "periodic"
	CompactRevision = "revision"
	// MetricsBasic and MetricsExtensive are the values of Config.MetricsLevel.
	MetricsBasic     = "basic"
	MetricsExtensive = "extensive"
	// DataDirSuffix makes a data directory of a member's name. It is not etcd's, so that neither finds the other's data.
	DataDirSuffix = ".quorate"
)

// Default is what runs without a flag: one member that serves clients on localhost:2379.
func Default() Config {
	return Config{
		Name:                     "default",
		ListenClientURLs:         []string{"http://localhost:2379"},
		ListenPeerURLs:           []string{"http://localhost:2380"},
		InitialAdvertisePeerURLs: []string{"http://localhost:2380"},
		InitialClusterState:      ClusterNew,
		StrictReconfigCheck:      true,
		AuthCompactRoot:          true,
		InitialClusterToken:      "etcd-cluster", // etcd's: the ids of members and cluster depend on it

		Discovery: Discovery{
			DialTimeout:       2 * time.Second,
			RequestTimeout:    5 * time.Second,
			KeepAliveTime:     2 * time.Second,
			KeepAliveTimeout:  6 * time.Second,
			InsecureTransport: true,
		},

		HeartbeatInterval:       100 * time.Millisecond,
		ElectionTimeout:         time.Second,
		SnapshotCount:           10_000,
		AutoCompactionMode:      CompactPeriodic,
		AutoCompactionRetention: "0",
		CorruptCheckTime:        12 * time.Hour,
		InitialCorruptCheck:     true,

		Tracing:                     otlp.Default("quorate"),
		MetricsLevel:                MetricsBasic,
		MaxRequestBytes:             3 << 19, // 1.5 MiB
		MaxTxnOps:                   128,
		MaxConcurrentStreams:        math.MaxUint32,
		GRPCKeepAliveMinTime:        5 * time.Second,
		GRPCKeepAliveInterval:       2 * time.Hour,
		GRPCKeepAliveTimeout:        20 * time.Second,
		EnableV2:                    true,
		EnableConsole:               true,
		CORS:                        []string{"*"},
		HostWhitelist:               []string{"*"},
		EnableGRPCGateway:           true,
		Audit:                       api.DefaultAudit(),
		Rates:                       api.DefaultRates(),
		Outside:                     api.Outside{OIDC: api.DefaultOIDC()},
		WatchProgressNotifyInterval: 10 * time.Minute,

		AuthToken:    api.DefaultAuthToken,
		AuthTokenTTL: 300,
		BcryptCost:   10,

		SelfSignedCertValidity: 1,
		TLSPolicy:              tlsconfig.Policy{MinVersion: "TLS1.2"},

		LogLevel:    "info",
		Logger:      "zap",
		LogRotation: logging.DefaultRotation,

		WarningUnaryRequestDuration: 300 * time.Millisecond,
		WarningApplyDuration:        100 * time.Millisecond,
		LogOutputs:                  []string{"default"},
	}
}
