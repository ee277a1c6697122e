package commandline

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"

	"github.com/quoratedb/quorate/pkg/flagset"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// Invocation is what one start of the program asks for. With Help or Version set, nothing else is.
type Invocation struct {
	Outcome
	Config config.Config
}

// Parse reads the arguments (without the program's name) and the environment ("NAME=value"), and the file that they
// name, as Read does. The configuration is validated.
func Parse(args, environ []string) (*Invocation, error) {
	given, outcome, err := Read(defaultSettings, args, environ)
	if err != nil {
		return nil, err
	}
	if outcome.Help || outcome.Version {
		return &Invocation{Outcome: *outcome}, nil
	}
	return &Invocation{Outcome: *outcome, Config: *given.config}, nil
}

func defaultSettings() *settings {
	defaults := config.Default()
	return newSettings(&defaults)
}

// Flags implements Settings.
func (s *settings) Flags() *flag.FlagSet { return s.flags }

// Sections implements Settings.
func (s *settings) Sections() flagset.Sections { return FileSections }

// Finish implements Settings.
func (s *settings) Finish() (warnings []string, err error) {
	warnings, refused := s.unsupported.given()
	warnings = append(warnings, s.gates.warnings()...)
	return warnings, errors.Join(refused, s.config.Validate())
}

// WriteHelp writes the flags that most need, on two screens.
func WriteHelp(w io.Writer) error {
	if _, err := io.WriteString(w, usageHead+"\nWhat most need, with defaults in brackets; --help-all has the rest, and more about these.\n"); err != nil {
		return err
	}
	return flagset.WriteShort(w, defaultSettings().flags, common...)
}

// common are the flags of WriteHelp.
var common = []flagset.Group{
	{Title: "Member", Flags: []string{
		"name", "data-dir", "listen-client-urls", "advertise-client-urls", "listen-peer-urls", "enable-v2", "quota-backend-bytes",
		"auto-compaction-mode", "auto-compaction-retention",
	}},
	{Title: "Clustering", Flags: []string{
		"initial-advertise-peer-urls", "initial-cluster", "initial-cluster-state", "initial-cluster-token", "promote-when-caught-up",
		"heartbeat-interval", "election-timeout",
	}},
	{Title: "Security", Flags: []string{
		"cert-file", "key-file", "trusted-ca-file", "client-cert-auth", "auto-tls",
		"peer-cert-file", "peer-key-file", "peer-trusted-ca-file", "peer-client-cert-auth", "auth-token", "audit-log",
	}},
	{Title: "Monitoring", Flags: []string{"listen-metrics-urls", "metrics", "enable-pprof", "log-level", "log-outputs"}},
}

// notShown tells the flags of Go's test framework, which etcd's program happens to know.
func notShown(name string) bool { return strings.HasPrefix(name, "test.") }

// WriteUsage writes every flag with its default, in groups.
func WriteUsage(w io.Writer) error {
	known := defaultSettings()
	if _, err := io.WriteString(w, usageHead); err != nil {
		return err
	}
	groups := slices.Clone(known.groups)
	for i := range groups {
		groups[i].Flags = slices.DeleteFunc(slices.Clone(groups[i].Flags), notShown)
	}
	return flagset.WriteUsage(w, known.flags, groups...)
}

const usageHead = `Usage:
  quorate [flags]                 Start a store.
  quorate --config-file FILE      Start one with the settings of a YAML file, and no others.
  quorate health [--url URL]      Ask one that runs how it is: exit code 0 if it is well.
  quorate gateway start           Forward connections to a cluster; --help has its flags.
  quorate grpc-proxy start        Serve clients in front of a cluster; --help has its flags.
  quorate --version               Show the version.
  quorate --help-all              Show every flag.

Environment variables set flags too: --data-dir is QUORATE_DATA_DIR or ETCD_DATA_DIR.
`
