package utl

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/helptext"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
)

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
	helptext.LayOut(root)
	root.AddCommand(newSnapshot(t), newMigrate(t), newExport(t), newVerify(t), newDumpLog(t), newHashKV(t), newVersion(t), newCompletion(t))
	return root, root.RegisterFlagCompletionFunc("write-out", cobra.FixedCompletions(output.Formats(), cobra.ShellCompDirectiveNoFileComp))
}
