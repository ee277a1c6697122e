package shell

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/quoratedb/quorate/services/ctl/internal/output"
)

// Flags are the global flags: how the store is reached, as whom, and how answers are printed.
type Flags struct {
	endpoints []string
	debug     bool

	format string
	hex    bool

	dialTimeout      time.Duration
	commandTimeout   time.Duration
	keepaliveTime    time.Duration
	keepaliveTimeout time.Duration
	maxRequestBytes  int // 0: the client's default
	maxReceiveBytes  int // 0: the client's default

	insecureTransport bool
	insecureDiscovery bool
	skipVerify        bool
	cert, key, cacert string
	user, password    string
	token             string
	discoveryDomain   string
	discoveryService  string

	v2 v2Flags
}

// v2Flags are the global flags that the v2 form alone has.
type v2Flags struct {
	form            bool // the command line is in the v2 form
	endpoint, peers []string
	requestTimeout  time.Duration
	noSync          bool
}

// Register declares the global flags on the root command. They are hidden, so that the help of a command shows its own;
// the command options lists them.
func (s *Shell) Register(root *cobra.Command) error {
	f := &s.flags
	flags := root.PersistentFlags()
	flags.StringSliceVar(&f.endpoints, "endpoints", []string{"127.0.0.1:2379"}, "client `URLs` of members, comma separated")
	flags.BoolVar(&f.debug, "debug", false, "print the flags in force and what the client library logs")
	flags.StringVarP(&f.format, "write-out", "w", "simple", "`format` of answers: fields, json, protobuf, simple or table")
	flags.BoolVar(&f.hex, "hex", false, "print keys, values and ids in hexadecimal where the format allows for it")

	flags.DurationVar(&f.dialTimeout, "dial-timeout", 2*time.Second, "longest wait for a connection")
	flags.DurationVar(&f.commandTimeout, "command-timeout", 5*time.Second, "longest wait for the answer to a request, without the time to connect")
	flags.DurationVar(&f.keepaliveTime, "keepalive-time", 2*time.Second, "how long a connection may be idle before it is probed")
	flags.DurationVar(&f.keepaliveTimeout, "keepalive-timeout", 6*time.Second, "how long a probe may go unanswered before the connection is given up")
	flags.IntVar(&f.maxRequestBytes, "max-request-bytes", 0, "largest request to send, in `bytes` (0 means 2 MiB)")
	flags.IntVar(&f.maxReceiveBytes, "max-recv-bytes", 0, "largest answer to take, in `bytes` (0 means no limit of the client's)")

	flags.BoolVar(&f.insecureTransport, "insecure-transport", true, "speak without TLS unless the endpoint's URL or a certificate asks for it")
	flags.BoolVar(&f.insecureDiscovery, "insecure-discovery", true, "use endpoints without TLS that DNS names, and do not require their names in certificates")
	flags.BoolVar(&f.skipVerify, "insecure-skip-tls-verify", false, "take any certificate of a server (for tests only: anybody can pose as the store)")
	flags.StringVar(&f.cert, "cert", "", "`file` with the certificate that shows who the client is")
	flags.StringVar(&f.key, "key", "", "`file` with the certificate's private key")
	flags.StringVar(&f.cacert, "cacert", "", "`file` with the authorities whose server certificates are trusted")
	flags.StringVar(&f.token, "auth-jwt-token", "", "signed `token` that shows who the user is, in place of --user and --password")
	flags.StringVar(&f.user, "user", "", "`name[:password]` of the user; the password is asked for if it is not given")
	flags.StringVar(&f.password, "password", "", "`password` of the user; --user is then the name alone")
	flags.StringVarP(&f.discoveryDomain, "discovery-srv", "d", "", "`domain` whose SRV records name the endpoints")
	flags.StringVar(&f.discoveryService, "discovery-srv-name", "", "`suffix` of the service's name in these SRV records")

	flags.VisitAll(func(flag *pflag.Flag) { flag.Hidden = true })
	return root.RegisterFlagCompletionFunc("write-out", cobra.FixedCompletions(output.Formats(), cobra.ShellCompDirectiveNoFileComp))
}
