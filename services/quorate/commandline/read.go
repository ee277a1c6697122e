package commandline

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/quoratedb/quorate/pkg/boundedfile"
	"github.com/quoratedb/quorate/pkg/flagset"
)

// prefixes of variables, the winning one first.
var prefixes = []string{"QUORATE", "ETCD"}

// defaultsPrefix is that of variables that stand for a flag's default.
const defaultsPrefix = "QUORATE_DEFAULT"

// platformVariable is what etcd wants to see set on platforms it is not tested on.
const platformVariable = "ETCD_UNSUPPORTED_ARCH"

// ErrUsage is returned by Read when the flags cannot be read: one that does not exist, or a value it cannot have. The
// problems of settings that can be read but not used are not of this kind.
var ErrUsage = errors.New("the command line cannot be read")

// Settings are what a program can be told.
type Settings interface {
	// Flags are all flags, among them config-file and version.
	Flags() *flag.FlagSet
	// Sections are the nested parts of the program's YAML file.
	Sections() flagset.Sections
	// Finish returns what was given and has no effect, and what is wrong with the values. It is called once, at the end.
	Finish() (warnings []string, err error)
}

// Outcome is what a command line asks for. With Help or Version set, nothing else was looked at.
type Outcome struct {
	Help bool
	// HelpAll asks for every flag; Help is set too.
	HelpAll bool
	Version bool
	// Warnings say what was given and has no effect, and why.
	Warnings []string
}

// Read fills settings, which fresh makes with everything at its default, from the arguments (without the program's
// name), the environment ("NAME=value") and the file that they name, and returns those that count. See the package
// comment for what wins. It reports everything that is wrong at once, except that flags which cannot be read (ErrUsage)
// come alone.
func Read[S Settings](fresh func() S, args, environ []string) (S, *Outcome, error) {
	outcome := &Outcome{}
	environ = outcome.setAside(environ)
	explained := func() S {
		settings := fresh()
		flagset.Explain(settings.Flags())
		return settings
	}
	given := explained()
	flags := given.Flags()
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return given, &Outcome{Help: true}, nil
		}
		return given, nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if rest := flags.Args(); len(rest) > 0 {
		return given, nil, fmt.Errorf("%q is neither a flag nor a value of one", rest[0])
	}
	if all := flags.Lookup("help-all"); all != nil && all.Value.String() == "true" {
		return given, &Outcome{Help: true, HelpAll: true}, nil
	}
	if flags.Lookup("version").Value.String() == "true" {
		return given, &Outcome{Version: true}, nil
	}
	var err error
	if name := configFile(flags, environ); name != "" {
		given, err = fromFile(outcome, name, flags, explained, environ)
	} else {
		err = fromEnvironment(outcome, flags, environ)
	}
	warnings, wrong := given.Finish()
	outcome.Warnings = append(outcome.Warnings, warnings...)
	if err := errors.Join(err, wrong); err != nil {
		return given, nil, err
	}
	return given, outcome, nil
}

// setAside returns the environment without what has a flag's name and another purpose.
func (o *Outcome) setAside(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		if slices.ContainsFunc(prefixes, func(prefix string) bool { return name == flagset.Variable(prefix, "version") }) {
			o.warn("environment variable %s has no effect: images use that name for the version they hold", name)
			return true
		}
		return name == platformVariable
	})
}

func configFile(flags *flag.FlagSet, environ []string) string {
	given := flags.Lookup("config-file").Value.String()
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

func fromEnvironment(o *Outcome, flags *flag.FlagSet, environ []string) error {
	isDefault := func(entry string) bool { return strings.HasPrefix(entry, defaultsPrefix+"_") }
	found, err := flagset.FromEnvironment(flags, slices.DeleteFunc(slices.Clone(environ), isDefault), prefixes...)
	for _, name := range found.Shadowed {
		o.warn("environment variable %s has no effect: the same with prefix %s_ is set too", name, prefixes[0])
	}
	defaults, wrong := flagset.FromDefaults(flags, environ, defaultsPrefix)
	for _, name := range slices.Concat(found.Unknown, defaults.Unknown) {
		o.warn("environment variable %s is unknown", name)
	}
	return errors.Join(err, wrong)
}

// fromFile returns settings that hold what the file says and nothing else. flags were given beside it.
func fromFile[S Settings](o *Outcome, name string, flags *flag.FlagSet, fresh func() S, environ []string) (S, error) {
	inFile := fresh()
	document, err := boundedfile.ReadUpTo(name, configBytesMax)
	if err != nil {
		return inFile, fmt.Errorf("--config-file: %w", err)
	}
	flags.Visit(func(f *flag.Flag) {
		if f.Name != "config-file" {
			o.warn("flag --%s has no effect: --config-file=%s alone counts", f.Name, name)
		}
	})
	used, _ := flagset.FromEnvironment(fresh().Flags(), environ, prefixes...) // only to learn which there are
	for _, variable := range slices.Concat(used.Used, used.Shadowed) {
		if !strings.HasSuffix(variable, "_CONFIG_FILE") {
			o.warn("environment variable %s has no effect: --config-file=%s alone counts", variable, name)
		}
	}
	if err := flagset.FromYAML(inFile.Flags(), document, inFile.Sections()); err != nil {
		return inFile, fmt.Errorf("--config-file=%s: %w", name, err)
	}
	return inFile, nil
}

// configBytesMax bounds a configuration file: all settings with many URLs are some kilobytes. More is another file, or a device
// that has no end.
const configBytesMax = 1 << 20

func (o *Outcome) warn(format string, args ...any) {
	o.Warnings = append(o.Warnings, fmt.Sprintf(format, args...))
}
