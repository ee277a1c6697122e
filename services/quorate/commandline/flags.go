package commandline

import (
	"flag"
	"fmt"
	"io"

	"github.com/quoratedb/quorate/pkg/flagset"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// settings are the flags and what they write to.
type settings struct {
	flags       *flag.FlagSet
	groups      []flagset.Group
	unsupported unsupportedFlags
	gates       *gates

	config *config.Config
}

// newSettings are flags that write to c, whose values are their defaults.
func newSettings(c *config.Config) *settings {
	s := &settings{flags: flag.NewFlagSet("quorate", flag.ContinueOnError), config: c}
	s.flags.SetOutput(io.Discard) // Parse returns what is wrong; who prints it is the caller's business
	for _, group := range []struct {
		title    string
		register func(*flag.FlagSet)
	}{
		{"Member", s.memberFlags},
		{"Clustering", s.clusterFlags},
		{"Discovery of the first members", func(fs *flag.FlagSet) { RegisterDiscovery(fs, c) }},
		{"Security", s.securityFlags},
		{"Who somebody is", func(fs *flag.FlagSet) { RegisterOutside(fs, c) }},
		{"Audit", func(fs *flag.FlagSet) { registerAudit(fs, &c.Audit) }},
		{"Rates of requests", func(fs *flag.FlagSet) { RegisterRates(fs, c) }},
		{"Profiling and monitoring", s.monitoringFlags},
		{"Traces", func(fs *flag.FlagSet) { registerTracing(fs, c) }},
		{"NATS clients", func(fs *flag.FlagSet) { registerNATS(fs, &c.NATS) }},
		{"Logging", s.loggingFlags},
		{"Accepted for etcd's sake", s.unsupported.register},
		{"Former names", registerDeprecated},
	} {
		s.groups = append(s.groups, flagset.NewGroup(group.title, s.flags, group.register))
	}
	return s
}

// Register adds those of quorate's flags to fs that have one of the names: same texts, same effect. They write to c, whose
// values are their defaults.
func Register(fs *flag.FlagSet, c *config.Config, names ...string) {
	all := newSettings(c)
	for _, name := range names {
		f := all.flags.Lookup(name)
		fs.Var(f.Value, f.Name, f.Usage)
	}
}

func (s *settings) memberFlags(fs *flag.FlagSet) {
	c := s.config
	fs.String("config-file", "", "YAML file with the settings. It alone counts then.")
	fs.Bool("version", false, "Show the version and exit.")
	fs.Bool("help-all", false, "Show every flag and exit.")
	fs.StringVar(&c.Name, "name", c.Name, "Human-readable name of this member.")
	fs.StringVar(&c.DataDir, "data-dir", c.DataDir, "Directory for everything the member must remember. Empty means the name with "+config.DataDirSuffix+" behind.")
	fs.StringVar(&c.WalDir, "wal-dir", "", "Where the raft log lies, which every write waits for: a disk of its own, empty when the member is made. Empty means in --data-dir.")
	fs.Var(flagset.ListOf(&c.ListenClientURLs), "listen-client-urls", "URLs to serve clients on.")
	fs.Var(flagset.ListOf(&c.ListenClientHTTPURLs), "listen-client-http-urls", "More URLs to serve clients on. All URLs serve gRPC and HTTP alike.")
	fs.Var(flagset.ListOf(&c.ListenLegacyURLs), "listen-legacy-urls", "More URLs to serve clients on, such as http://localhost:4001, where very old clients look.")
	fs.BoolVar(&c.EnableV2, "enable-v2", c.EnableV2, "Serve the v2 HTTP API, below /v2, on all URLs for clients.")
	fs.BoolVar(&c.EnableConsole, "enable-console", c.EnableConsole, "Serve the console, the store in a browser, at /console/. etcd has no such flag.")
	fs.BoolVar(&c.EnableGRPCGateway, "enable-grpc-gateway", c.EnableGRPCGateway, "Serve etcd's JSON paths, below /v3.")
	fs.Var(flagset.ListOf(&c.ListenPeerURLs), "listen-peer-urls", "URLs to serve other members on.")
	fs.Uint64Var(&c.SnapshotCount, "snapshot-count", c.SnapshotCount, "How many applied entries the log keeps for members that are behind. 0 means the default.")
	fs.Var(flagset.MillisecondsOf(&c.HeartbeatInterval), "heartbeat-interval", "Time between heartbeats, in milliseconds.")
	fs.Var(flagset.MillisecondsOf(&c.ElectionTimeout), "election-timeout", "How long followers wait for a leader, in milliseconds.")
	fs.Int64Var(&c.QuotaBackendBytes, "quota-backend-bytes", c.QuotaBackendBytes, "Bytes in use, before compression, that end writes. 0 means no bound.")
	fs.Int64Var(&c.DiskSoftMarkBytes, "disk-soft-mark-bytes", c.DiskSoftMarkBytes, "Warn when less than this is free on a disk of the data directory. 0 means twice the hard mark, negative never.")
	fs.Int64Var(&c.DiskHardMarkBytes, "disk-hard-mark-bytes", c.DiskHardMarkBytes, "Refuse writes that need space, and raise NOSPACE, while less than this is free on a disk of the data directory. 0 means a twentieth of the disk, at least 64 MiB and at most 1 GiB, negative never.")
	fs.StringVar(&c.AutoCompactionMode, "auto-compaction-mode", c.AutoCompactionMode, "What the retention counts: time (periodic) or revisions (revision).")
	fs.StringVar(&c.AutoCompactionRetention, "auto-compaction-retention", c.AutoCompactionRetention, "History to keep: a duration, hours or revisions. --auto-compaction-mode says which. 0 keeps everything.")
	fs.DurationVar(&c.CorruptCheckTime, "corrupt-check-time", c.CorruptCheckTime, "How often this member reads all its keys and compares them with what was written. 0 means never.")
	s.gates = &gates{initialCheck: &c.InitialCorruptCheck, localAddress: &c.SetMemberLocalAddr}
	fs.Var(s.gates, "feature-gates", "InitialCorruptCheck=false serves at the start before the keys were read and compared with the other members'. Other gates of etcd's have no effect.")
	fs.BoolVar(&c.InitialCorruptCheck, "experimental-initial-corrupt-check", c.InitialCorruptCheck, "Former name of --feature-gates=InitialCorruptCheck=...")
	fs.UintVar(&c.MaxTxnOps, "max-txn-ops", c.MaxTxnOps, "Operations that one transaction may have.")
	fs.UintVar(&c.MaxRequestBytes, "max-request-bytes", c.MaxRequestBytes, "Bytes that one request may have.")
	fs.Var(flagset.Uint32Of(&c.MaxConcurrentStreams), "max-concurrent-streams", "Calls that may be under way on one connection.")
	fs.DurationVar(&c.GRPCKeepAliveMinTime, "grpc-keepalive-min-time", c.GRPCKeepAliveMinTime, "How long a client should wait between pings.")
	fs.DurationVar(&c.GRPCKeepAliveInterval, "grpc-keepalive-interval", c.GRPCKeepAliveInterval, "How long a connection is silent before the server pings it. 0 means never.")
	fs.DurationVar(&c.GRPCKeepAliveTimeout, "grpc-keepalive-timeout", c.GRPCKeepAliveTimeout, "How long the server waits for the answer to a ping. 0 means the library's default.")
	fs.DurationVar(&c.WatchProgressNotifyInterval, "watch-progress-notify-interval", c.WatchProgressNotifyInterval, "How long a watch that asked for progress may stay silent. 0 means the default.")
}

func (s *settings) clusterFlags(fs *flag.FlagSet) {
	c := s.config
	fs.Var(flagset.ListOf(&c.InitialAdvertisePeerURLs), "initial-advertise-peer-urls", "Where other members reach this one. The member's id depends on it.")
	fs.StringVar(&c.InitialCluster, "initial-cluster", c.InitialCluster, "Founding members as name=url,... Empty means this member alone.")
	fs.Var(&choice{&c.InitialClusterState, []string{config.ClusterNew, config.ClusterExisting}}, "initial-cluster-state", "new to found the cluster, existing to join one. Of no effect once there is data.")
	fs.BoolVar(&c.StrictReconfigCheck, "strict-reconfig-check", c.StrictReconfigCheck, "Refuse changes of members that could cost the quorum.")
	fs.BoolVar(&c.AuthCompactRoot, "auth-compact-root", c.AuthCompactRoot, "Leave compactions to root while authentication is enabled. If false any user may compact, as Kubernetes' API servers do with a user of their own. etcd has no such flag.")
	fs.StringVar(&c.InitialClusterToken, "initial-cluster-token", c.InitialClusterToken, "Tells clusters with the same addresses apart. The ids of members and cluster depend on it.")
	fs.BoolVar(&c.PromoteWhenCaughtUp, "promote-when-caught-up", false, "Have a learner become a voter by itself once it has caught up. etcd has no such flag.")
	fs.BoolVar(&c.ForceNewCluster, "force-new-cluster", false, "Make this member's data a cluster of one, once, after most members were lost for good. The others must be added anew.")
	fs.Var(flagset.ListOf(&c.AdvertiseClientURLs), "advertise-client-urls", "Where clients on other hosts reach this member. Empty means --listen-client-urls.")
}

func (s *settings) securityFlags(fs *flag.FlagSet) {
	c := s.config
	fs.StringVar(&c.ClientTLS.CertFile, "cert-file", "", "Certificate shown to clients, PEM.")
	fs.StringVar(&c.ClientTLS.KeyFile, "key-file", "", "Key of --cert-file, PEM.")
	fs.BoolVar(&c.ClientTLS.ClientCertAuth, "client-cert-auth", false, "Ask every client for a certificate. Its common name is the user where no token is sent.")
	fs.StringVar(&c.AuthToken, "auth-token", c.AuthToken, "What name and password give: simple, or jwt with its options. simple is a token that the store makes, jwt,sign-method=...,priv-key=FILE,pub-key=FILE,ttl=5m a signed one. Empty or none lets nobody log in.")
	fs.UintVar(&c.AuthTokenTTL, "auth-token-ttl", c.AuthTokenTTL, "Seconds that a simple token lives after its last use.")
	fs.UintVar(&c.BcryptCost, "bcrypt-cost", c.BcryptCost, "What it costs to hash a password: each one more doubles it, from 4 to 31.")
	fs.StringVar(&c.ClientTLS.TrustedCAFile, "trusted-ca-file", "", "Authorities that vouch for clients, PEM. Asks every client for a certificate.")
	fs.StringVar(&c.ClientTLS.CRLFile, "client-crl-file", "", "Revocation list for clients' certificates, DER or PEM.")
	fs.Var(flagset.ListOf(&c.ClientTLS.AllowedHostnames), "client-cert-allowed-hostname", "Let in only clients whose certificate is valid for one of these host names.")
	fs.Var(flagset.ListOf(&c.ClientTLS.AllowedNames), "client-cert-allowed-cn", "Let in only clients whose certificate has one of these common names.")
	fs.BoolVar(&c.ClientAutoTLS, "auto-tls", false, "Show clients a self-signed certificate made for the purpose.")
	fs.StringVar(&c.PeerTLS.CertFile, "peer-cert-file", "", "Certificate shown to other members, PEM.")
	fs.StringVar(&c.PeerTLS.KeyFile, "peer-key-file", "", "Key of --peer-cert-file, PEM.")
	fs.StringVar(&c.PeerTLS.ClientCertFile, "peer-client-cert-file", "", "Certificate shown when calling other members, PEM. Empty for --peer-cert-file.")
	fs.StringVar(&c.PeerTLS.ClientKeyFile, "peer-client-key-file", "", "Key of --peer-client-cert-file, PEM.")
	fs.BoolVar(&c.PeerTLS.ClientCertAuth, "peer-client-cert-auth", false, "Ask other members for a certificate.")
	fs.StringVar(&c.PeerTLS.TrustedCAFile, "peer-trusted-ca-file", "", "Authorities that vouch for other members, PEM.")
	fs.StringVar(&c.PeerTLS.CRLFile, "peer-crl-file", "", "Revocation list for other members' certificates, DER or PEM.")
	fs.Var(flagset.ListOf(&c.PeerTLS.AllowedNames), "peer-cert-allowed-cn", "Let in only members whose certificate has one of these common names.")
	fs.Var(flagset.ListOf(&c.PeerTLS.AllowedHostnames), "peer-cert-allowed-hostname", "Let in only members whose certificate is valid for one of these host names.")
	fs.BoolVar(&c.PeerAutoTLS, "peer-auto-tls", false, "Show other members a self-signed certificate made for the purpose.")
	fs.UintVar(&c.SelfSignedCertValidity, "self-signed-cert-validity", c.SelfSignedCertValidity, "Years that self-signed certificates are valid.")
	fs.Var(flagset.ListOf(&c.TLSPolicy.CipherSuites), "cipher-suites", "TLS 1.2 cipher suites to choose from. Empty leaves that to Go.")
	fs.StringVar(&c.TLSPolicy.MinVersion, "tls-min-version", c.TLSPolicy.MinVersion, "Lowest TLS version: TLS1.2 or TLS1.3.")
	fs.StringVar(&c.TLSPolicy.MaxVersion, "tls-max-version", c.TLSPolicy.MaxVersion, "Highest TLS version: TLS1.2 or TLS1.3. Empty leaves that to Go.")
	fs.Var(flagset.ListOf(&c.CORS), "cors", "Origins whose pages may call this server from a browser. '*' means all.")
	fs.Var(flagset.ListOf(&c.HostWhitelist), "host-whitelist", "Host names by which clients may call over HTTP without TLS. '*' means all.")
}

func (s *settings) monitoringFlags(fs *flag.FlagSet) {
	fs.StringVar(&s.config.MetricsLevel, "metrics", s.config.MetricsLevel, "basic, or extensive with the time of each method's calls. It is in grpc_server_handling_seconds.")
	fs.Var(flagset.ListOf(&s.config.ListenMetricsURLs), "listen-metrics-urls", "URLs that serve health and metrics only.")
	fs.BoolVar(&s.config.EnablePprof, "enable-pprof", false, "Serve /debug/pprof/ and /debug/vars. They are profiles and what the runtime counts, for whoever reaches the client URLs.")
	fs.DurationVar(&s.config.WarningUnaryRequestDuration, "warning-unary-request-duration", s.config.WarningUnaryRequestDuration, "Log calls that take longer than this. 0 means none.")
	fs.DurationVar(&s.config.WarningApplyDuration, "warning-apply-duration", s.config.WarningApplyDuration, "Log when it takes longer than this to apply a batch of the log. 0 means never.")
}

func (s *settings) loggingFlags(fs *flag.FlagSet) {
	c := s.config
	fs.StringVar(&c.LogLevel, "log-level", c.LogLevel, "Lowest level that is logged: debug, info, warn or error. There are panic and fatal too.")
	fs.StringVar(&c.Logger, "logger", c.Logger, "Only 'zap': structured lines with zap's field names.")
	fs.StringVar(&c.LogFormat, "log-format", c.LogFormat, "json or console. Empty means console at a terminal, and json everywhere else.")
	fs.BoolVar(&c.EnableLogRotation, "enable-log-rotation", false, "Rotate the log's file; --log-outputs must name one.")
	fs.StringVar(&c.LogRotation, "log-rotation-config-json", c.LogRotation, "How: sizes in MiB, ages in days, 0 for no bound.")
	fs.Var(flagset.ListOf(&c.LogOutputs), "log-outputs", "Where the log goes: stdout, stderr, or files. default is stderr, and /dev/null discards it.")
}

// choice is a flag.Value that takes one of a few texts.
type choice struct {
	to *string
	of []string
}

func (c *choice) Set(text string) error {
	for _, one := range c.of {
		if text == one {
			*c.to = text
			return nil
		}
	}
	return fmt.Errorf("it is one of %q", c.of)
}

func (c *choice) String() string {
	if c.to == nil { // the flag package asks the zero value
		return ""
	}
	return *c.to
}
