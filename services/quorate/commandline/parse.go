package commandline

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/quoratedb/quorate/pkg/flagset"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// prefixes of variables, the winning one first.
var prefixes = []string{"QUORATE", "ETCD"}

// platformVariable is what etcd wants to see set on platforms it is not tested on.
const platformVariable = "ETCD_UNSUPPORTED_ARCH"

// ErrUsage is returned by Parse when the flags cannot be read: one that does not exist, or a value it cannot have. The
// problems of settings that can be read but not used are not of this kind.
var ErrUsage = errors.New("the command line cannot be read")

// Invocation is what one start of the program asks for. With Help or Version set, nothing else is.
type Invocation struct {
	Help    bool
	Version bool
	Config  config.Config
	// Warnings say what was given and has no effect, and why.
	Warnings []string
}

// Parse reads the arguments (without the program's name) and the environment ("NAME=value"), and the file that they
// name. It reports everything that is wrong at once, except that flags which cannot be read (ErrUsage) come alone. The
// configuration is validated.
func Parse(args, environ []string) (*Invocation, error) {
	invocation := &Invocation{}
	environ = invocation.setAside(environ)
	given := newSettings()
	if err := given.flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return &Invocation{Help: true}, nil
		}
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if rest := given.flags.Args(); len(rest) > 0 {
		return nil, fmt.Errorf("%q is neither a flag nor a value of one", rest[0])
	}
	if given.version {
		return &Invocation{Version: true}, nil
	}
	if file := configFile(given.configFile, environ); file != "" {
		return invocation.fromFile(file, given, environ)
	}
	return invocation.fromCommandLine(given, environ)
}

// setAside returns the environment without what has a flag's name and another purpose.
func (i *Invocation) setAside(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		if slices.ContainsFunc(prefixes, func(prefix string) bool { return name == flagset.Variable(prefix, "version") }) {
			i.warn("environment variable %s has no effect: images use that name for the version they hold", name)
			return true
		}
		return name == platformVariable
	})
}

func configFile(given string, environ []string) string {
	for _, prefix := range prefixes {
		if given != "" {
			return given
		}
		for _, entry := range environ {
			if name, value, _ := strings.Cut(entry, "="); name == flagset.Variable(prefix, "config-file") {
				given = value
			}
		}
	}
	return given
}

func (i *Invocation) fromCommandLine(given *settings, environ []string) (*Invocation, error) {
	found, err := flagset.FromEnvironment(given.flags, environ, prefixes...)
	for _, name := range found.Shadowed {
		i.warn("environment variable %s has no effect: the same with prefix %s_ is set too", name, prefixes[0])
	}
	for _, name := range found.Unknown {
		i.warn("environment variable %s is unknown", name)
	}
	return i.finish(given, err)
}

func (i *Invocation) fromFile(name string, given *settings, environ []string) (*Invocation, error) {
	document, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("--config-file: %w", err)
	}
	given.flags.Visit(func(f *flag.Flag) {
		if f.Name != "config-file" {
			i.warn("flag --%s has no effect: --config-file=%s alone counts", f.Name, name)
		}
	})
	used, _ := flagset.FromEnvironment(newSettings().flags, environ, prefixes...) // only to learn which there are
	for _, variable := range slices.Concat(used.Used, used.Shadowed) {
		if !strings.HasSuffix(variable, "_CONFIG_FILE") {
			i.warn("environment variable %s has no effect: --config-file=%s alone counts", variable, name)
		}
	}
	inFile := newSettings()
	if err = flagset.FromYAML(inFile.flags, document, fileSections); err != nil {
		err = fmt.Errorf("--config-file=%s: %w", name, err)
	}
	return i.finish(inFile, err)
}

// finish adds what the settings themselves have to say to the error so far.
func (i *Invocation) finish(given *settings, err error) (*Invocation, error) {
	warnings, refused := given.foreignGiven()
	i.Warnings = append(i.Warnings, warnings...)
	i.Config = given.config
	if err := errors.Join(err, refused, i.Config.Validate()); err != nil {
		return nil, err
	}
	return i, nil
}

func (i *Invocation) warn(format string, args ...any) {
	i.Warnings = append(i.Warnings, fmt.Sprintf(format, args...))
}

// WriteUsage writes every flag with its default, in groups.
func WriteUsage(w io.Writer) error {
	known := newSettings()
	if _, err := io.WriteString(w, usageHead); err != nil {
		return err
	}
	return flagset.WriteUsage(w, known.flags, known.groups...)
}

const usageHead = `Usage:

  quorate [flags]
    Start a store.

  quorate --version
    Show the version.

  quorate --config-file FILE
    Start a store with the settings of a YAML file. Other flags and environment variables are then ignored.

Each flag can be set by an environment variable too: --data-dir by QUORATE_DATA_DIR or ETCD_DATA_DIR.
`
