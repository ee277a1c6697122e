// Package shell is what every command runs in: its streams, the global flags and the variables that stand for them, the
// connection to the store and the printer. It knows no command.
package shell

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
)

// ctlName is the program's own name, and etcdctlName the one it takes where it stands in etcdctl's place.
const (
	ctlName     = "quoratectl"
	etcdctlName = "etcdctl"
)

// Shell is the process as commands see it.
type Shell struct {
	Name           string // what help texts call the program, see ProgramName
	Version        string // of the build
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string // as of os.Environ

	flags Flags
}

// ProgramName is the name under which a program that was started by this path speaks of itself: a link named etcdctl has
// it be etcdctl, so that scripts and completions that look for the name find it.
func ProgramName(path string) string {
	if filepath.Base(path) == etcdctlName {
		return etcdctlName
	}
	return ctlName
}

// Variable is the value of QUORATECTL_name or ETCDCTL_name.
func (s *Shell) Variable(name string) string { return newEnvironment(s.Environ).lookup(name) }

// Runner is what cobra calls to carry a command out.
type Runner = func(*cobra.Command, []string) error

// Run makes a Runner of a command's function. Once it runs, the command line has been understood: errors are the
// function's own, which cobra does not print.
func (s *Shell) Run(run func(*Call) error) Runner {
	return func(cmd *cobra.Command, args []string) error {
		cmd.SilenceErrors = true
		call := &Call{Command: cmd, Args: args, Shell: s}
		defer call.close()
		return run(call)
	}
}

// Report prints why a command failed, in the one form that scripts look for, and returns the exit code. Errors of cobra's
// own have been printed by it: the command line was not understood, and the usage follows.
func (s *Shell) Report(failed *cobra.Command, err error) int {
	var coded *exit.Error
	said := errors.As(err, &coded) && coded.Err == nil
	if err != nil && !failed.SilenceErrors && !strings.HasPrefix(err.Error(), "unknown command") {
		fmt.Fprintln(s.Stderr, failed.UsageString())
	}
	if err != nil && failed.SilenceErrors && !said {
		fmt.Fprintln(s.Stderr, "Error:", err)
		var why *explained
		if errors.As(err, &why) {
			fmt.Fprintln(s.Stderr, "Hint:", why.hint)
		}
	}
	return exit.Code(err)
}
