package grpcproxy

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/quoratedb/quorate/pkg/flagset"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// Options are what the flags set. Start from Default.
type Options struct {
	ListenAddr, MetricsAddr string

	Endpoints        []string
	EndpointsFile    string
	SyncInterval     time.Duration
	Domain, Service  string
	Insecure         bool
	CertFile         string
	KeyFile          string
	CAFile           string
	SkipVerification bool

	DialKeepAliveTime, DialKeepAliveTimeout time.Duration
	PermitWithoutStream                     bool
	SendBytesMax, ReceiveBytesMax           int

	AdvertiseURL   string
	ResolverPrefix string
	ResolverTTL    int
	Namespace      string
	Ordered        bool
	LogRequests    bool
	Debug          bool

	// Serving is how clients are served.
	Serving config.Config

	// advertised says that AdvertiseURL was given.
	advertised bool
}

// Without are the flags of etcd's command that have no effect here, and why. Each is taken, with a warning.
var Without = map[string]string{
	"experimental-leasing-prefix": "reads are not kept at the proxy: each is as new as the cluster",
}

// Default is what etcd's command has.
func Default() Options {
	o := Options{
		ListenAddr: "127.0.0.1:23790", Endpoints: []string{"127.0.0.1:2379"},
		DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 20 * time.Second,
		SendBytesMax: 3 << 19, ReceiveBytesMax: math.MaxInt32,
		AdvertiseURL: "127.0.0.1:23790",
		Serving:      config.Default(),
	}
	o.Serving.DataDir = "default.proxy"
	return o
}

// Parse reads a command line. It returns flag.ErrHelp where that asked for help. What has no effect is in warnings.
func Parse(args []string) (o Options, warnings []string, err error) {
	o = Default()
	flags, _ := o.flags(func(name string) {
		warnings = append(warnings, fmt.Sprintf("--%s has no effect: %s", name, Without[name]))
	})
	if err := flags.Parse(args); err != nil {
		return o, nil, err
	}
	if flags.NArg() > 0 {
		return o, nil, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	flags.Visit(func(f *flag.Flag) { o.advertised = o.advertised || f.Name == "advertise-client-url" })
	return o, warnings, o.complete()
}

// WriteUsage writes every flag with its default, in groups.
func WriteUsage(w io.Writer) error {
	o := Default()
	flags, groups := o.flags(func(string) {})
	if _, err := io.WriteString(w, usageHead); err != nil {
		return err
	}
	return flagset.WriteUsage(w, flags, groups...)
}

const usageHead = `Usage:

  quorate grpc-proxy start [flags]
    Serve clients in front of a cluster, of Quorate or of etcd.
`

// flags are those that write to the options. idle is told of each that is given and has no effect.
func (o *Options) flags(idle func(name string)) (*flag.FlagSet, []flagset.Group) {
	flags := flag.NewFlagSet("quorate grpc-proxy start", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags, []flagset.Group{
		flagset.NewGroup("Cluster", flags, o.cluster),
		flagset.NewGroup("Clients", flags, o.serving),
		flagset.NewGroup("Accepted for etcd's sake", flags, func(flags *flag.FlagSet) {
			for name, reason := range Without {
				flags.Func(name, "Has no effect: "+reason+".", func(string) error {
					idle(name)
					return nil
				})
			}
		}),
	}
}

// cluster are the flags about the cluster.
func (o *Options) cluster(flags *flag.FlagSet) {
	flags.Var(flagset.ListOf(&o.Endpoints), "endpoints", "Where the members of the cluster are, as host:port or URL.")
	flags.StringVar(&o.EndpointsFile, "endpoints-file", o.EndpointsFile, "File with such endpoints, one a line, which is read again when they may have changed.")
	flags.DurationVar(&o.SyncInterval, "endpoints-auto-sync-interval", o.SyncInterval, "How often endpoints are taken from the cluster's member list, or from the file or the SRV records again; 0 leaves the member list alone.")
	flags.StringVar(&o.Domain, "discovery-srv", o.Domain, "Domain whose SRV records say where the members are.")
	flags.StringVar(&o.Service, "discovery-srv-name", o.Service, "Suffix of the services' names in that domain.")
	flags.BoolVar(&o.Insecure, "insecure-discovery", o.Insecure, "Take SRV records of members without TLS, and those that show no certificate of the domain's.")
	flags.StringVar(&o.CertFile, "cert", o.CertFile, "Certificate to show to the members. It must have no common name and no SPIFFE id, which would be a user's.")
	flags.StringVar(&o.KeyFile, "key", o.KeyFile, "Its key.")
	flags.StringVar(&o.CAFile, "cacert", o.CAFile, "Authorities that the members' certificates are checked with.")
	flags.BoolVar(&o.SkipVerification, "insecure-skip-tls-verify", o.SkipVerification, "Take any certificate of the members, for tests.")
	flags.DurationVar(&o.DialKeepAliveTime, "dial-keepalive-time", o.DialKeepAliveTime, "After how long of silence a member is pinged that has requests; 0 is never.")
	flags.DurationVar(&o.DialKeepAliveTimeout, "dial-keepalive-timeout", o.DialKeepAliveTimeout, "How long it has to answer.")
	flags.BoolVar(&o.PermitWithoutStream, "permit-without-stream", o.PermitWithoutStream, "Ping members that have no requests too.")
	flags.IntVar(&o.SendBytesMax, "max-send-bytes", o.SendBytesMax, "What a write may have, in bytes.")
	flags.IntVar(&o.ReceiveBytesMax, "max-recv-bytes", o.ReceiveBytesMax, "What an answer of a member may have, in bytes.")
	flags.StringVar(&o.Namespace, "namespace", o.Namespace, "What stands before every key in the cluster, and clients do not see.")
	flags.BoolVar(&o.Ordered, "experimental-serializable-ordering", o.Ordered, "Serializable reads do not go back behind what this proxy has shown before.")
	flags.StringVar(&o.AdvertiseURL, "advertise-client-url", o.AdvertiseURL, "Where clients reach this proxy. If given, the member list has it instead of the members' own.")
	flags.StringVar(&o.ResolverPrefix, "resolver-prefix", o.ResolverPrefix, "Where in the cluster proxies make themselves known; the member list has all of them then.")
	flags.IntVar(&o.ResolverTTL, "resolver-ttl", o.ResolverTTL, "After how many seconds one that is gone is forgotten there.")
}

// serving are the flags about clients.
func (o *Options) serving(flags *flag.FlagSet) {
	c := &o.Serving
	flags.StringVar(&o.ListenAddr, "listen-addr", o.ListenAddr, "Where to listen: host:port, or unix:path, with TLS unixs:path.")
	flags.StringVar(&o.MetricsAddr, "metrics-addr", o.MetricsAddr, "URL to serve health and metrics at besides.")
	flags.StringVar(&c.DataDir, "data-dir", c.DataDir, "Directory for the certificate of --auto-tls.")
	flags.StringVar(&c.ClientTLS.CertFile, "cert-file", "", "Certificate to show to clients.")
	flags.StringVar(&c.ClientTLS.KeyFile, "key-file", "", "Its key.")
	flags.StringVar(&c.ClientTLS.TrustedCAFile, "trusted-ca-file", "", "Authorities that must vouch for clients' certificates. Who they are for ends here: users are known by their tokens.")
	flags.StringVar(&c.ClientTLS.CRLFile, "client-crl-file", "", "Clients' certificates that were revoked.")
	flags.BoolVar(&c.ClientAutoTLS, "auto-tls", false, "Serve with a certificate that vouches for itself.")
	flags.UintVar(&c.SelfSignedCertValidity, "self-signed-cert-validity", c.SelfSignedCertValidity, "For how many years it is valid.")
	flags.Var(flagset.ListOf(&c.TLSPolicy.CipherSuites), "listen-cipher-suites", "Cipher suites of TLS 1.2.")
	flags.StringVar(&c.TLSPolicy.MinVersion, "tls-min-version", c.TLSPolicy.MinVersion, "TLS1.2 or TLS1.3.")
	flags.StringVar(&c.TLSPolicy.MaxVersion, "tls-max-version", c.TLSPolicy.MaxVersion, "TLS1.2 or TLS1.3.")
	flags.DurationVar(&c.GRPCKeepAliveMinTime, "grpc-keepalive-min-time", c.GRPCKeepAliveMinTime, "How often a client may ping.")
	flags.DurationVar(&c.GRPCKeepAliveInterval, "grpc-keepalive-interval", c.GRPCKeepAliveInterval, "How often an idle client is pinged; 0 is never.")
	flags.DurationVar(&c.GRPCKeepAliveTimeout, "grpc-keepalive-timeout", c.GRPCKeepAliveTimeout, "How long it has to answer.")
	flags.Var(flagset.Uint32Of(&c.MaxConcurrentStreams), "max-concurrent-streams", "Requests that may be under way on one connection.")
	flags.BoolVar(&c.EnablePprof, "enable-pprof", false, "Serve profiles below /debug/pprof/.")
	flags.BoolVar(&o.LogRequests, "experimental-enable-grpc-logging", false, "Log the shape of every request.")
	flags.BoolVar(&o.Debug, "debug", false, "Log at debug level.")
}

// complete checks what fits together, in etcd's words where it has any, and derives the rest.
func (o *Options) complete() error {
	var problems []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	wrong(o.ResolverPrefix != "" && o.ResolverTTL < 1, "invalid resolver-ttl %d", o.ResolverTTL)
	wrong(o.ResolverPrefix == "" && o.ResolverTTL > 0, "invalid resolver-prefix %q", o.ResolverPrefix)
	wrong(o.ResolverPrefix != "" && o.ResolverTTL > 0 && o.AdvertiseURL == "", "invalid advertise-client-url %q", o.AdvertiseURL)
	wrong(o.SyncInterval < 0, "--endpoints-auto-sync-interval=%v must not be below zero", o.SyncInterval)
	wrong(o.SendBytesMax <= 0, "--max-send-bytes=%d must be above zero", o.SendBytesMax)
	wrong(o.ReceiveBytesMax <= 0, "--max-recv-bytes=%d must be above zero", o.ReceiveBytesMax)
	wrong((o.CertFile == "") != (o.KeyFile == ""), "--cert=%q and --key=%q: both are needed, or neither", o.CertFile, o.KeyFile)
	c := &o.Serving
	scheme := "http"
	if c.ClientAutoTLS || !c.ClientTLS.Empty() {
		scheme = "https"
	}
	c.ListenClientURLs = []string{scheme + "://" + o.ListenAddr}
	if strings.HasPrefix(o.ListenAddr, "unix:") || strings.HasPrefix(o.ListenAddr, "unixs:") {
		c.ListenClientURLs = []string{o.ListenAddr}
	}
	c.AdvertiseClientURLs = nil
	if o.MetricsAddr != "" {
		if !strings.Contains(o.MetricsAddr, "://") {
			o.MetricsAddr = "http://" + o.MetricsAddr
		}
		c.ListenMetricsURLs = []string{o.MetricsAddr}
	}
	c.ClientTLS.Flags = tlsconfig.FlagsOf("", "client-")
	c.MaxRequestBytes = uint(max(o.SendBytesMax, 1))
	c.AuthToken = "" // tokens are the cluster's
	if o.Debug {
		c.LogLevel = "debug"
	}
	problems = append(problems, c.ValidateClients())
	return errors.Join(problems...)
}
