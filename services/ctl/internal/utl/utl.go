// Package utl is quorateutl's command tree. What the commands do with files is the store's own package offline; here are flags, words and
// exit codes. It connects to nobody.
package utl

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"path/filepath"
	"syscall"
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

// Run carries out the command that the arguments name and returns the exit code. An interrupt or a request to end has it clean up.
func Run(t *Tool, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root, err := Root(t)
	if err != nil {
		fmt.Fprintln(t.Stderr, "Error:", err)
		return exit.Failure
	}
	root.SetArgs(args)
	failed, err := root.ExecuteContextC(ctx)
	if err != nil && failed.SilenceErrors {
		fmt.Fprintln(t.Stderr, "Error:", err)
	}
	return exit.Code(err)
}

// Root is the tree of all commands.
func Root(t *Tool) (*cobra.Command, error) {
	cobra.EnablePrefixMatching = true
	root := &cobra.Command{
		Use:        t.Name,
		Short:      "Works on snapshots and data directories, of Quorate and of etcd",
		SuggestFor: []string{t.Name},
	}
	root.SetOut(t.Stdout)
	root.SetErr(t.Stderr)
	flags := root.PersistentFlags()
	flags.DurationVar(&t.lockTimeout, "timeout", 10*time.Second, "longest wait for a program that has the file open, 0 for ever")
	flags.StringVarP(&t.format, "write-out", "w", output.Simple, "`format` of answers: fields, json, protobuf, simple or table")
	root.AddCommand(newSnapshot(t), newMigrate(t), newExport(t), newVerify(t), newDumpLog(t), newHashKV(t), newVersion(t), newCompletion(t))
	return root, root.RegisterFlagCompletionFunc("write-out", cobra.FixedCompletions(output.Formats(), cobra.ShellCompDirectiveNoFileComp))
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
