package commandline

import (
	"errors"
	"flag"
	"fmt"
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
	known := defaultSettings()
	text := usageHead + "\nWhat most need; --help-all has the rest:\n"
	for _, name := range common {
		f := known.flags.Lookup(name)
		usage, _, _ := strings.Cut(f.Usage, ". ")
		text += fmt.Sprintf("  --%s '%s'\n    %s.\n", f.Name, f.DefValue, strings.TrimSuffix(usage, "."))
	}
	_, err := io.WriteString(w, text)
	return err
}

// common are the flags of WriteHelp.
var common = []string{
	"name", "data-dir", "listen-client-urls", "advertise-client-urls", "listen-peer-urls", "initial-advertise-peer-urls",
	"initial-cluster", "initial-cluster-state", "initial-cluster-token", "promote-when-caught-up",
	"heartbeat-interval", "election-timeout", "quota-backend-bytes", "auto-compaction-mode", "auto-compaction-retention",
	"cert-file", "key-file", "trusted-ca-file", "client-cert-auth", "auto-tls",
	"peer-cert-file", "peer-key-file", "peer-trusted-ca-file", "peer-client-cert-auth",
	"auth-token", "enable-v2", "audit-log", "listen-metrics-urls", "metrics", "enable-pprof", "log-level", "log-outputs",
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

  quorate [flags]
    Start a store.

  quorate health [--url http://127.0.0.1:2379/readyz]
    Ask one that runs how it is: exit code 0 if it is well. For health checks where there is no curl.

  quorate --help-all
    Show every flag.

  quorate --version
    Show the version.

  quorate --config-file FILE
    Start a store with the settings of a YAML file. Other flags and environment variables are then ignored.

Each flag can be set by an environment variable too: --data-dir by QUORATE_DATA_DIR or ETCD_DATA_DIR.
`
