package api

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/etcd/api/v3/version"

	"github.com/quoratedb/quorate/services/api/internal/auditlog"
	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/grpcserver"
	"github.com/quoratedb/quorate/services/api/internal/ratelimit"
	"github.com/quoratedb/quorate/services/api/port"
)

// Defaults of Config, which are etcd's.
const (
	DefaultMaxRequestBytes      = 3 << 19 // 1.5 MiB
	DefaultMaxTxnOps            = 128
	DefaultMaxConcurrentStreams = math.MaxUint32
	DefaultKeepAliveMinTime     = 5 * time.Second
	DefaultKeepAliveInterval    = 2 * time.Hour
	DefaultKeepAliveTimeout     = 20 * time.Second
	DefaultRequestTimeout       = 7 * time.Second
	DefaultLeaderLossTime       = 3 * time.Second
	DefaultDrainTimeout         = 7 * time.Second
)

const (
	// envelopeBytes is what a message may be larger than the largest request: between the two a request is refused with
	// etcd's own error, beyond them by the transport.
	envelopeBytes = 512 << 10
	// requestBytesMax keeps MaxRequestBytes and envelopeBytes together below what a length on the wire can say.
	requestBytesMax = math.MaxInt32 - envelopeBytes
)

// Config says where and how to serve. The ports, a Logger and a listener are required; a zero in any other field means
// its default.
type Config struct {
	Consensus port.Consensus
	Lease     port.Lease
	Watch     port.Watch
	Auth      port.Auth
	// Quotas may be nil: then there are no quotas by prefix.
	Quotas port.Quotas
	// Inspector may be nil: then quorate.v1.InspectService answers that it is not there.
	Inspector port.Inspector
	// Elsewhere says that the store is no part of this process. Then a restart would not mend it, and /livez does not ask it.
	Elsewhere bool
	// Shown may be nil; else it is told of each revision that a client is about to be shown, by whatever service.
	Shown func(revision int64)
	// Nearest may be nil; else it tells which member the headers of answers name, 0 for the one that the store names itself.
	Nearest func() uint64
	// Members may be nil: then the console knows the member alone that answers.
	Members port.Members
	// NoConsole has no console at /console/. Hosts are names by which browsers may call it without TLS, beside addresses and localhost.
	NoConsole bool
	Hosts     []string
	// Tree may be nil: then there is no v2 API.
	Tree port.Tree

	Logger *slog.Logger
	// Registerer takes the metrics and Gatherer is what /metrics shows; without them there are none, or no /metrics.
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer
	// TimeCalls has each method's calls timed, as etcd's --metrics=extensive does.
	TimeCalls bool
	// SlowCalls is how long a unary call may take until it is logged; 0 logs none.
	SlowCalls time.Duration
	// Version is the program's, as the console tells it; empty where nobody says.
	Version string
	// Profiling serves profiles and the runtime's counters, below /debug/.
	Profiling bool

	// Listeners take clients without TLS, TLSListeners with TLS, and one that is in both takes either. Run owns and closes them.
	Listeners    []net.Listener
	TLSListeners []net.Listener
	// TLS is for TLSListeners.
	TLS *tls.Config
	// Monitor serves health and metrics elsewhere, and is told of the store; nil where there is none.
	Monitor *Monitor
	// MaxConnections bounds the open client connections; more take the place of one without a request, or are refused. 0
	// means 65,536.
	MaxConnections int

	// MaxRequestBytes bounds a write request's encoding, MaxTxnOps the operations of a transaction.
	MaxRequestBytes uint
	MaxTxnOps       uint
	// MaxConcurrentStreams bounds the calls under way on one connection.
	MaxConcurrentStreams uint32
	// RequestTimeout is how long a write, or the agreement on a read, may take.
	RequestTimeout time.Duration
	// Audit writes a line about each request; nil for none. It runs before the server and longer.
	Audit *AuditLog
	// Rates says how many requests each may make; the zero value as many as they like.
	Rates Rates
	// AuthToken is what those who log in get to show later who they are, as etcd's --auth-token has it; empty for simple tokens, which the
	// store makes, and NoAuthToken for none.
	AuthToken string
	// ClientCertAuth has the common name of a client's certificate stand for its user, where a request carries no token.
	ClientCertAuth bool
	// Outside says who else is believed about who somebody is.
	Outside Outside
	// LeaderLossTime is how long there may be no leader until streams end whose clients want one; three election timeouts
	// with etcd.
	LeaderLossTime time.Duration

	// KeepAliveMinTime is how often a gRPC client may ping. KeepAliveInterval is how often the server pings an idle one,
	// KeepAliveTimeout how long it waits for the answer. A negative value switches the rule off.
	KeepAliveMinTime, KeepAliveInterval, KeepAliveTimeout time.Duration

	// CORS are the origins whose scripts may call; none or "*" means all.
	CORS []string
	// HostWhitelist are the host names by which requests over HTTP may come that have no TLS; none or "*" means all.
	HostWhitelist []string
	// NoGateway leaves out etcd's JSON paths, below /v3.
	NoGateway bool

	// DrainTimeout bounds how long Run waits, once its context has ended, for calls that are under way.
	DrainTimeout time.Duration

	// Versions is what /version and Status say.
	Versions Versions
}

// Audit is the log of who asked for what. Its fields are those of the flags that begin with audit-, but for Logger and Registerer.
type Audit = auditlog.Config

// AuditLog is a log that is open: its Run, or Close, must be called. Where NATS clients are let in they are in it too, by its Note.
type AuditLog = auditlog.Auditor

// AuditNote is a line about who does not come by the API.
type AuditNote = auditlog.Note

// Methods of a note.
const (
	AuditNATSConnect   = auditlog.MethodNATSConnect
	AuditNATSSubscribe = auditlog.MethodNATSSubscribe
)

// OpenAudit opens the log that c describes, nil for none. Errors name the flag.
func OpenAudit(c Audit) (*AuditLog, error) { return auditlog.Open(c) }

// DefaultAudit are the settings of such a log, and no file for it.
func DefaultAudit() Audit { return auditlog.Default() }

// Rates are how many requests of each class each user may make, or each address where no user is shown. Its fields are those of the flags that
// begin with rate-limit; Registerer is the server's.
type Rates = ratelimit.Config

// DefaultRates limit nothing.
func DefaultRates() Rates { return ratelimit.Default() }

// Versions are the versions that a server names, each like "3.7.0".
type Versions struct {
	// Server is the etcd version that this server behaves like, Cluster what its cluster has agreed on, Storage its data's.
	Server  string `json:"etcdserver"`
	Cluster string `json:"etcdcluster"`
	Storage string `json:"storage"`
}

// withDefaults fills in what was left zero.
func (c Config) withDefaults() Config {
	set(&c.MaxRequestBytes, DefaultMaxRequestBytes)
	set(&c.MaxTxnOps, DefaultMaxTxnOps)
	set(&c.AuthToken, DefaultAuthToken)
	set(&c.MaxConcurrentStreams, DefaultMaxConcurrentStreams)
	set(&c.RequestTimeout, DefaultRequestTimeout)
	set(&c.LeaderLossTime, DefaultLeaderLossTime)
	set(&c.KeepAliveMinTime, DefaultKeepAliveMinTime)
	set(&c.KeepAliveInterval, DefaultKeepAliveInterval)
	set(&c.KeepAliveTimeout, DefaultKeepAliveTimeout)
	set(&c.DrainTimeout, DefaultDrainTimeout)
	set(&c.Versions.Server, version.Version)
	set(&c.Versions.Cluster, "3.7.0")
	set(&c.Versions.Storage, "3.7.0")
	if c.Monitor == nil {
		c.Monitor = NewMonitor(MonitorConfig{Elsewhere: c.Elsewhere, Logger: c.Logger, Registerer: c.Registerer})
	}
	if len(c.CORS) == 0 {
		c.CORS = []string{"*"}
	}
	return c
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports everything that is wrong at once.
func (c Config) Validate() error {
	if c.Consensus == nil || c.Lease == nil || c.Watch == nil || c.Auth == nil {
		return errors.Join(errors.New("a port is missing: consensus, lease, watch and auth are all needed"), c.validateServing())
	}
	return c.validateServing()
}

// validateServing is Validate but for the ports.
func (c Config) validateServing() error {
	var problems []error
	wrong := func(is bool, format string, values ...any) {
		if is {
			problems = append(problems, fmt.Errorf(format, values...))
		}
	}
	wrong(c.Logger == nil, "no logger")
	wrong(len(c.Listeners)+len(c.TLSListeners) == 0, "no listener for clients")
	wrong(len(c.TLSListeners) > 0 && c.TLS == nil, "listeners with TLS, but no TLS settings")
	wrong(c.MaxRequestBytes > requestBytesMax, "--max-request-bytes: %d is more than %d", c.MaxRequestBytes, uint(requestBytesMax))
	wrong(c.MaxConnections < 0, "at most %d connections", c.MaxConnections)
	return errors.Join(problems...)
}

// receiveBytesMax is the largest message that a transport takes from a client.
func (c Config) receiveBytesMax() int { return int(c.MaxRequestBytes) + envelopeBytes }

// DefaultAuthToken is etcd's. NoAuthToken is for servers where nobody logs in with a password; to etcd that is an empty option.
const (
	DefaultAuthToken = auth.TokensSimple
	NoAuthToken      = auth.TokensNone
)

// CheckAuthToken tells what is wrong with an AuthToken, by the option; it reads no file.
func CheckAuthToken(text string) error {
	_, err := auth.ParseTokenOptions(text)
	return err
}

// CheckAuthTokenKeys is CheckAuthToken that reads the keys too.
func CheckAuthTokenKeys(text string) error {
	options, err := auth.ParseTokenOptions(text)
	if err == nil {
		_, err = options.Load()
	}
	return err
}

// tokens reads the keys that AuthToken names.
func (c Config) tokens() (auth.Tokens, error) {
	options, err := auth.ParseTokenOptions(c.AuthToken)
	if err != nil {
		return auth.Tokens{}, fmt.Errorf("--auth-token: %w", err)
	}
	tokens, err := options.Load()
	if err != nil {
		return auth.Tokens{}, fmt.Errorf("--auth-token: %w", err)
	}
	return tokens, nil
}

// identification is how requests show for whom they are made.
func (c Config) identification(tokens auth.Tokens) auth.Config {
	made := auth.Config{Verifiers: tokens.Verifiers, NoSimpleTokens: tokens.NoSimpleTokens, Logger: c.Logger}
	if c.ClientCertAuth {
		made.CertificateName = auth.CommonName
	}
	return made
}

func (c Config) grpc() grpcserver.Config {
	return grpcserver.Config{
		ReceiveBytesMax:      c.receiveBytesMax(),
		ConcurrentStreamsMax: c.MaxConcurrentStreams,
		Registerer:           c.Registerer,
		KeepAlive: grpcserver.KeepAlive{
			MinTime: c.KeepAliveMinTime, Interval: c.KeepAliveInterval, Timeout: c.KeepAliveTimeout,
		},
	}
}
