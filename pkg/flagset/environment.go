package flagset

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
)

// Variable is the environment variable of a flag: Variable("ETCD", "data-dir") is "ETCD_DATA_DIR".
func Variable(prefix, name string) string {
	return prefix + "_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// Environment is what FromEnvironment made of the variables it was given. It holds names only, as values may be secret.
type Environment struct {
	// Used variables set a flag. Shadowed ones did not, because a variable of an earlier prefix set it.
	Used, Shadowed []string
	// Unknown variables have one of the prefixes but belong to no flag.
	Unknown []string
}

// FromEnvironment sets the flags of fs that have a variable in environ ("NAME=value", as os.Environ gives it) under one
// of the prefixes. Where several prefixes name the same flag the first prefix wins. An empty variable counts as unset.
//
// A variable whose flag was already set on fs is an error: two places that disagree about one setting are a mistake
// that is better found at once than guessed about. The error joins one error for each such variable and for each
// value that its flag refuses; the other variables have taken effect all the same.
func FromEnvironment(fs *flag.FlagSet, environ []string, prefixes ...string) (Environment, error) {
	given := values(environ)
	onCommandLine := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { onCommandLine[f.Name] = true })

	var found Environment
	var problems []error
	known := map[string]bool{}
	fs.VisitAll(func(f *flag.Flag) {
		set := false
		for _, prefix := range prefixes {
			variable := Variable(prefix, f.Name)
			known[variable] = true
			value := given[variable]
			switch {
			case value == "":
			case onCommandLine[f.Name]:
				problems = append(problems, fmt.Errorf("%s is set, and --%s too: unset the one or drop the other", variable, f.Name))
			case set:
				found.Shadowed = append(found.Shadowed, variable)
			default:
				set = true
				found.Used = append(found.Used, variable)
				if err := fs.Set(f.Name, value); err != nil {
					problems = append(problems, fmt.Errorf("invalid value %q for %s: %w", value, variable, err))
				}
			}
		}
	})
	for variable := range given {
		if !known[variable] && slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(variable, prefix+"_") }) {
			found.Unknown = append(found.Unknown, variable)
		}
	}
	slices.Sort(found.Unknown)
	return found, errors.Join(problems...)
}

// FromDefaults sets the flags of fs that nothing has set yet and that have a variable in environ under the prefix. An image has its own defaults so: what
// its user says anywhere goes before them. Its answers are FromEnvironment's.
func FromDefaults(fs *flag.FlagSet, environ []string, prefix string) (Environment, error) {
	taken := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { taken[Variable(prefix, f.Name)] = true })
	left := slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return taken[name]
	})
	return FromEnvironment(fs, left, prefix)
}

func values(environ []string) map[string]string {
	given := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		given[name] = value
	}
	return given
}
