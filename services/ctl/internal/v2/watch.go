package v2

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/spf13/cobra"
	client "go.etcd.io/etcd/client/v2"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

func newWatch(s *shell.Shell) *cobra.Command {
	var options client.WatcherOptions
	var forever bool
	cmd := &cobra.Command{
		Use:   "watch <key>",
		Short: "Wait for a change of a key, and print it",
		RunE: s.Run(func(call *shell.Call) error {
			name, err := key(call)
			if err != nil {
				return err
			}
			return follow(call, name, &options, func(event *client.Response) (more bool, err error) {
				if event.Node.Dir {
					return true, nil
				}
				if options.Recursive {
					call.Printf("[%s] %s\n", event.Action, event.Node.Key)
				}
				return forever, printAnswer(call, event)
			})
		}),
	}
	cmd.Flags().BoolVarP(&forever, "forever", "f", false, "print all changes from then on, until the command is interrupted")
	watchFlags(cmd, &options)
	return cmd
}

func watchFlags(cmd *cobra.Command, options *client.WatcherOptions) {
	cmd.Flags().Uint64Var(&options.AfterIndex, "after-index", 0, "begin with what happened after this `index` (0: with what happens from now on)")
	cmd.Flags().BoolVarP(&options.Recursive, "recursive", "r", false, "also what happens below the key")
}

// follow hands over the changes of a key one by one, until there are to be no more or the command is interrupted.
func follow(call *shell.Call, name string, options *client.WatcherOptions, handle func(*client.Response) (more bool, err error)) error {
	c, err := connect(call)
	if err != nil {
		return err
	}
	ctx, stop := call.Interrupted()
	defer stop()
	watcher := client.NewKeysAPI(c).Watcher(name, options)
	for more := true; more; {
		event, err := watcher.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fail(call, exit.Feature, err)
		}
		if more, err = handle(event); err != nil {
			return err
		}
	}
	return nil
}

func newExecWatch(s *shell.Shell) *cobra.Command {
	var options client.WatcherOptions
	cmd := &cobra.Command{
		Use:   "exec-watch <key> -- <command> [argument...]",
		Short: "Run a command at each change of a key",
		Long: `Run a command at each change of a key, until exec-watch is interrupted: one after the other, in the order of the changes.

The command finds the change in ETCD_WATCH_ACTION, ETCD_WATCH_KEY, ETCD_WATCH_VALUE and ETCD_WATCH_MODIFIED_INDEX:

$ exec-watch /config --recursive -- sh -c 'echo $ETCD_WATCH_KEY is now $ETCD_WATCH_VALUE'`,
		RunE: s.Run(func(call *shell.Call) error {
			name, command, err := watchedCommand(call)
			if err != nil {
				return err
			}
			return follow(call, name, &options, func(event *client.Response) (more bool, err error) {
				if event.Node.Dir {
					fmt.Fprintf(call.Shell.Stderr, "Ignored dir %s change\n", event.Node.Key)
					return true, nil
				}
				return true, execute(call, command, event)
			})
		}),
	}
	watchFlags(cmd, &options)
	return cmd
}

// watchedCommand takes the arguments of exec-watch apart.
func watchedCommand(call *shell.Call) (name string, command []string, err error) {
	if len(call.Args) < 2 || call.Command.ArgsLenAtDash() > 1 {
		return "", nil, fail(call, exit.Arguments, errors.New("key and command to exec required"))
	}
	return call.Args[0], call.Args[1:], nil
}

// execute runs a command about a change. That it fails is its own affair; that there is no such command ends the watch.
func execute(call *shell.Call, command []string, event *client.Response) error {
	run := exec.CommandContext(context.Background(), command[0], command[1:]...)
	run.Env = append(run.Environ(),
		"ETCD_WATCH_ACTION="+event.Action,
		fmt.Sprintf("ETCD_WATCH_MODIFIED_INDEX=%d", event.Node.ModifiedIndex),
		"ETCD_WATCH_KEY="+event.Node.Key,
		"ETCD_WATCH_VALUE="+event.Node.Value)
	run.Stdout, run.Stderr = call.Shell.Stdout, call.Shell.Stderr
	var ended *exec.ExitError
	if err := run.Run(); err != nil && !errors.As(err, &ended) {
		return complain(call, "%v", err)
	}
	return nil
}
