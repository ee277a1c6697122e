package commandline

import (
	"errors"
	"flag"
	"io"

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

// WriteUsage writes every flag with its default, in groups.
func WriteUsage(w io.Writer) error {
	known := defaultSettings()
	if _, err := io.WriteString(w, usageHead); err != nil {
		return err
	}
	return flagset.WriteUsage(w, known.flags, known.groups...)
}

const usageHead = `Usage:

  quorate [flags]
    Start a store.

  quorate health [--url http://127.0.0.1:2379/readyz]
    Ask one that runs how it is: exit code 0 if it is well. For health checks where there is no curl.

  quorate --version
    Show the version.

  quorate --config-file FILE
    Start a store with the settings of a YAML file. Other flags and environment variables are then ignored.

Each flag can be set by an environment variable too: --data-dir by QUORATE_DATA_DIR or ETCD_DATA_DIR.
`
