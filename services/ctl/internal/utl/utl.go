// Package utl is quorateutl's command tree. What the commands do with files is the store's own package offline; here are flags, words and
// exit codes. It connects to nobody.
package utl

import (
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
)

const (
	utlName     = "quorateutl"
	etcdutlName = "etcdutl"
)

// Tool is the process as commands see it.
type Tool struct {
	Name           string // what help texts call the program, see ProgramName
	Version        string // of the build
	Stdout, Stderr io.Writer

	// lockTimeout and format are the flags of all commands.
	lockTimeout time.Duration
	format      string
}

// ProgramName is the name under which a program that was started by this path speaks of itself: a link named etcdutl has it be etcdutl.
func ProgramName(path string) string {
	if filepath.Base(path) == etcdutlName {
		return etcdutlName
	}
	return utlName
}

// run makes of a command's function what cobra calls. Once it runs, the command line has been understood: errors are the function's own.
func run(fn func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		return fn(cmd, args)
	}
}

// print prints an answer in the format that was asked for.
func (t *Tool) print(answer output.Answer) error {
	printer, err := output.NewPrinter(t.format, false, t.Stdout)
	if err == nil {
		err = printer.Print(answer)
	}
	return exit.With(exit.Feature, err)
}
