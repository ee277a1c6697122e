package shell

import (
	"crypto/tls"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
)

// v2Formats are the names that --output takes.
var v2Formats = []string{output.Simple, "extended", output.JSON}

// V2 is how the global flags of the v2 form say that the store is reached.
type V2 struct {
	Endpoints          []string    // URLs
	TLS                *tls.Config // nil: the system's authorities are trusted, and no certificate is shown
	Username, Password string
	RequestTimeout     time.Duration // of a request at one endpoint, but for those that wait for events
	TotalTimeout       time.Duration // of a command, but for those that wait for events
	Sync               bool          // the members' own URLs are asked for first, and used
	Debug              bool
}

// RegisterV2 declares the global flags of the v2 form: etcdctl's with ETCDCTL_API=2, and beside them the v3 form's names for
// the same things.
func (s *Shell) RegisterV2(root *cobra.Command) {
	f := &s.flags
	f.v2.form = true
	f.insecureTransport = true
	flags := root.PersistentFlags()
	flags.StringSliceVar(&f.endpoints, "endpoints", []string{"http://127.0.0.1:2379", "http://127.0.0.1:4001"}, "client `URLs` of members, comma separated")
	flags.StringSliceVar(&f.v2.endpoint, "endpoint", nil, "what --endpoints was called before")
	flags.StringSliceVarP(&f.v2.peers, "peers", "C", nil, "what --endpoint was called before")
	flags.BoolVar(&f.debug, "debug", false, "print each request as a command line of curl")
	flags.BoolVar(&f.v2.noSync, "no-sync", false, "use the given endpoints, and not the URLs that the members say are theirs")
	flags.StringVarP(&f.format, "output", "o", output.Simple, "`format` of answers: simple, extended or json")
	flags.DurationVar(&f.v2.requestTimeout, "timeout", 2*time.Second, "longest wait for one endpoint's answer")
	flags.DurationVar(&f.commandTimeout, "total-timeout", 5*time.Second, "longest wait for all of a command's answers (watches have no limit)")

	flags.StringVar(&f.cert, "cert", "", "`file` with the certificate that shows who the client is")
	flags.StringVar(&f.key, "key", "", "`file` with the certificate's private key")
	flags.StringVar(&f.cacert, "cacert", "", "`file` with the authorities whose server certificates are trusted")
	flags.BoolVar(&f.skipVerify, "insecure-skip-tls-verify", false, "take any certificate of a server (for tests only: anybody can pose as the store)")
	flags.StringVar(&f.user, "user", "", "`name[:password]` of the user; the password is asked for if it is not given")
	flags.StringVar(&f.password, "password", "", "`password` of the user; --user is then the name alone")
	flags.StringVarP(&f.discoveryDomain, "discovery-srv", "D", "", "`domain` whose SRV records name the endpoints")
	flags.StringVar(&f.discoveryService, "discovery-srv-name", "", "`suffix` of the service's name in these SRV records")
	flags.BoolVar(&f.insecureDiscovery, "insecure-discovery", false, "use endpoints without TLS that DNS names, and do not require their names in certificates")
	for _, alias := range []struct{ name, shorthand, of string }{
		{"cert-file", "", "cert"}, {"key-file", "", "key"}, {"ca-file", "", "cacert"}, {"username", "u", "user"}, {"command-timeout", "", "total-timeout"},
	} {
		of := flags.Lookup(alias.of)
		flags.AddFlag(&pflag.Flag{Name: alias.name, Shorthand: alias.shorthand, Value: of.Value, DefValue: of.DefValue, Usage: "the same as --" + alias.of})
	}
}

// settleV2 is Settle of the v2 form.
func (c *Call) settleV2(flags *pflag.FlagSet) error {
	f := &c.Shell.flags
	newEnvironment(c.Shell.Environ).fill(flags, c.Shell.Stderr)
	if !slices.Contains(v2Formats, f.format) {
		return exit.Withf(exit.Feature, "unsupported output format %q: --output takes %s", f.format, strings.Join(v2Formats, ", "))
	}
	switch {
	case flags.Changed("endpoints"):
	case len(f.v2.endpoint) > 0:
		f.endpoints = f.v2.endpoint
	case len(f.v2.peers) > 0:
		f.endpoints = f.v2.peers
	}
	c.settled = true
	return nil
}

// V2 reads the variables and the global flags of the v2 form.
func (c *Call) V2() (*V2, error) {
	config, err := c.Config()
	if err != nil {
		return nil, err
	}
	scheme := "http://"
	if config.TLS != nil {
		scheme = "https://"
	}
	urls := make([]string, len(config.Endpoints))
	for i, endpoint := range config.Endpoints {
		if urls[i] = endpoint; !strings.Contains(endpoint, "://") {
			urls[i] = scheme + endpoint
		}
	}
	f := &c.Shell.flags
	return &V2{
		Endpoints: urls, TLS: config.TLS, Username: config.Username, Password: config.Password,
		RequestTimeout: f.v2.requestTimeout, TotalTimeout: f.commandTimeout, Sync: !f.v2.noSync, Debug: f.debug,
	}, nil
}

// fill gives flags that the command line does not set their variables' values, as etcdctl does with ETCDCTL_API=2: the command
// line wins, and variables of other forms are passed over. A value that cannot be read changes nothing, and is told on w.
func (e environment) fill(flags *pflag.FlagSet, w io.Writer) {
	given := map[pflag.Value]bool{} // a flag's other names share its value
	flags.VisitAll(func(flag *pflag.Flag) { given[flag.Value] = given[flag.Value] || flag.Changed })
	flags.VisitAll(func(flag *pflag.Flag) {
		value := e.lookup(variable(flag.Name))
		if value == "" || given[flag.Value] {
			return
		}
		if err := flags.Set(flag.Name, value); err != nil {
			fmt.Fprintf(w, "Warning: %q is no value for the variable of --%s, which is ignored: %v\n", value, flag.Name, err)
			return
		}
		given[flag.Value] = true
	})
}
