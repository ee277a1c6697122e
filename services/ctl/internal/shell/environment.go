package shell

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
)

// The prefixes of variables that stand for flags: ours wins over etcdctl's.
const (
	ourPrefix  = "QUORATECTL_"
	etcdPrefix = "ETCDCTL_"
)

// otherVariables are those that stand for no flag: the form of commands, and what watch takes in place of arguments.
var otherVariables = []string{"API", "WATCH_KEY", "WATCH_RANGE_END"}

// environment are the variables of the process by name.
type environment map[string]string

func newEnvironment(environ []string) environment {
	env := environment{}
	for _, variable := range environ {
		if name, value, ok := strings.Cut(variable, "="); ok {
			env[name] = value
		}
	}
	return env
}

// lookup is the value of the variable with this name behind either prefix, "" if there is none.
func (e environment) lookup(name string) string {
	if value := e[ourPrefix+name]; value != "" {
		return value
	}
	return e[etcdPrefix+name]
}

// apply gives flags that the command line does not set their variables' values. As with etcdctl, a flag whose ETCDCTL_
// variable is there too is an error, a value that cannot be read changes nothing, and neither does a name that means
// nothing; the latter two are told on w.
func (e environment) apply(flags *pflag.FlagSet, w io.Writer) error {
	known := map[string]bool{}
	for _, name := range otherVariables {
		known[name] = true
	}
	var conflict error
	flags.VisitAll(func(flag *pflag.Flag) {
		name := variable(flag.Name)
		known[name] = true
		_, there := e[etcdPrefix+name]
		switch value := e.lookup(name); {
		case flag.Changed && there && conflict == nil:
			conflict = exit.Withf(exit.Failure, "--%s and the conflicting environment variable %s%s are both set: leave out the flag, or unset the variable",
				flag.Name, etcdPrefix, name)
		case flag.Changed || value == "":
		default:
			if err := flags.Set(flag.Name, value); err != nil {
				fmt.Fprintf(w, "Warning: %q is no value for the variable of --%s, which is ignored: %v\n", value, flag.Name, err)
			}
		}
	})
	if conflict != nil {
		return conflict
	}
	for _, name := range e.names() {
		short := strings.TrimPrefix(strings.TrimPrefix(name, ourPrefix), etcdPrefix)
		if short != name && !known[short] {
			fmt.Fprintf(w, "Warning: the unrecognized environment variable %s is ignored: there is no flag of that name\n", name)
		}
	}
	return nil
}

func (e environment) names() []string {
	names := make([]string, 0, len(e))
	for name := range e {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// variable is what follows the prefix in the name of a flag's variable.
func variable(flag string) string {
	return strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
