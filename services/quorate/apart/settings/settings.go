// Package settings is what every node of a service that runs apart can be told: its log, where it answers health questions,
// and how services reach each other, with mutual TLS or without. A role adds flags of its own.
package settings

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/quoratedb/quorate/pkg/flagset"
	"github.com/quoratedb/quorate/pkg/founders"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/pkg/tracing/otlp"
	"github.com/quoratedb/quorate/services/quorate/commandline"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// Settings are what every node can be told. A role adds flags of its own to them.
type Settings struct {
	// Config holds the values of those flags that are quorate's too.
	Config config.Config
	// ListenInternalURLs are where other services come in. A role without a service of its own has none.
	ListenInternalURLs []string
	// InternalTLS is for every call between services, in both directions; empty for none.
	InternalTLS tlsconfig.Server
	// OwnMetrics says that the role listens on ListenMetricsURLs itself.
	OwnMetrics bool
	// InternalEndpoints are the lists of other services' URLs, by flag.
	InternalEndpoints map[string]*[]string

	flags  *flag.FlagSet
	groups []flagset.Group
}

// New makes the flags of a program: those that all have, around those that add adds.
func New(program string, add func(*Settings)) *Settings {
	s := &Settings{
		Config: config.Default(), flags: flag.NewFlagSet(program, flag.ContinueOnError),
		InternalTLS:       tlsconfig.Server{Flags: tlsconfig.FlagsOf("internal-", "internal-")},
		InternalEndpoints: map[string]*[]string{},
	}
	s.Config.Tracing = otlp.Default(program)
	s.flags.SetOutput(io.Discard) // commandline.Read returns what is wrong; who prints it is the program's business
	s.Group("Node", s.nodeFlags)
	add(s)
	s.Group("Between services", s.internalFlags)
	s.Group("Traces", func(fs *flag.FlagSet) { commandline.Register(fs, &s.Config, commandline.TracingFlags...) })
	s.Group("Logging", func(fs *flag.FlagSet) {
		commandline.Register(fs, &s.Config, "log-level", "logger", "log-format", "log-outputs")
	})
	return s
}

// Group adds flags under a title of the usage text.
func (s *Settings) Group(title string, register func(*flag.FlagSet)) {
	s.groups = append(s.groups, flagset.NewGroup(title, s.flags, register))
}

// Endpoints adds the flag that says where another service is: URLs whose hosts may be names with several addresses.
func (s *Settings) Endpoints(fs *flag.FlagSet, name string, to *[]string, usage string) {
	fs.Var(flagset.ListOf(to), name, usage)
	s.InternalEndpoints[name] = to
}

// Listen adds the flag of the listener on which the node serves other services.
func (s *Settings) Listen(fs *flag.FlagSet) {
	s.ListenInternalURLs = []string{"http://localhost:2381"}
	fs.Var(flagset.ListOf(&s.ListenInternalURLs), "listen-internal-urls", "URLs to serve other services on.")
}

func (s *Settings) nodeFlags(fs *flag.FlagSet) {
	commandline.Register(fs, &s.Config, "config-file", "version", "name", "listen-metrics-urls")
}

func (s *Settings) internalFlags(fs *flag.FlagSet) {
	fs.StringVar(&s.InternalTLS.CertFile, "internal-cert-file", "", "Certificate shown to other services, PEM. With it every internal call uses TLS, and both sides show theirs.")
	fs.StringVar(&s.InternalTLS.KeyFile, "internal-key-file", "", "Key of --internal-cert-file, PEM.")
	fs.StringVar(&s.InternalTLS.TrustedCAFile, "internal-trusted-ca-file", "", "Authorities that vouch for other services, PEM.")
	fs.StringVar(&s.InternalTLS.CRLFile, "internal-crl-file", "", "Revocation list for other services' certificates, DER or PEM.")
	fs.Var(flagset.ListOf(&s.InternalTLS.AllowedNames), "internal-cert-allowed-cn", "Talk only to services whose certificate has one of these common names.")
	fs.Var(flagset.ListOf(&s.InternalTLS.AllowedHostnames), "internal-cert-allowed-hostname", "Talk only to services whose certificate is valid for one of these host names.")
	for _, name := range []string{"cipher-suites", "tls-min-version", "tls-max-version"} {
		if fs.Lookup(name) == nil { // else the role has taken them for its own TLS too
			commandline.Register(fs, &s.Config, name)
		}
	}
}

// Flags implements commandline.Settings.
func (s *Settings) Flags() *flag.FlagSet { return s.flags }

// Sections implements commandline.Settings.
func (s *Settings) Sections() flagset.Sections { return commandline.FileSections }

// WriteUsage writes head, and every flag with its default, in groups.
func (s *Settings) WriteUsage(w io.Writer, head string) error {
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	return flagset.WriteUsage(w, s.flags, s.groups...)
}

// Validate reports everything that is wrong with what all nodes can be told, each under its flag.
func (s *Settings) Validate() error {
	return errors.Join(s.checkTLS(), s.checkInternal(), s.checkMetrics(), s.Config.Tracing.Validate())
}

// checkTLS wants all three files or none.
func (s *Settings) checkTLS() error {
	t := s.InternalTLS
	switch {
	case t.Empty():
		return nil
	case t.CertFile == "" || t.KeyFile == "" || t.TrustedCAFile == "":
		return fmt.Errorf("--internal-cert-file=%s --internal-key-file=%s --internal-trusted-ca-file=%s: all three are needed, or none", t.CertFile, t.KeyFile, t.TrustedCAFile)
	default:
		return t.Validate()
	}
}

// checkInternal wants every URL between services to use TLS, or none, as the certificates say.
func (s *Settings) checkInternal() error {
	wrong := s.checkScheme("listen-internal-urls", s.ListenInternalURLs, config.CheckBind)
	for _, name := range flagset.Names(s.flags) {
		if urls, ok := s.InternalEndpoints[name]; ok {
			if len(*urls) == 0 {
				wrong = append(wrong, fmt.Errorf("--%s=: at least one URL is needed", name))
			}
			wrong = append(wrong, s.checkScheme(name, *urls, config.CheckReachable)...)
		}
	}
	return errors.Join(wrong...)
}

func (s *Settings) checkScheme(name string, texts []string, check func(*url.URL) error) (wrong []error) {
	want, why := "http", "without --internal-cert-file services speak plain http"
	if s.InternalTLS.CertFile != "" {
		want, why = "https", "with --internal-cert-file every internal call uses TLS: write https"
	}
	for _, text := range texts {
		u, err := founders.ParseURL(text)
		if err == nil && u.Scheme != want {
			err = errors.New(why)
		}
		if err == nil {
			err = check(u)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("--%s=%s: %w", name, text, err))
		}
	}
	return wrong
}

// checkMetrics keeps health and metrics plain: probes and scrapers have no certificates of the services.
func (s *Settings) checkMetrics() error {
	if config.AnySecure(s.Config.ListenMetricsURLs) {
		return fmt.Errorf("--listen-metrics-urls=%s: health and metrics are served without TLS here", strings.Join(s.Config.ListenMetricsURLs, ","))
	}
	return nil
}
