package kv

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// watchFlags say what a watch follows and from where on.
type watchFlags struct {
	interactive bool
	prefix      bool
	revision    int64
	previous    bool
	progress    bool
	// times and diff are ours: etcdctl has no such flags.
	times, diff bool
}

// watched is what a watch follows, and the command that it runs for each event.
type watched struct {
	keys    []string // a key, and perhaps the end of a range
	command []string
}

var (
	errWatchArguments = errors.New("bad number of arguments: watch needs a key, and takes the end of a range after it")
	errWatchConflict  = errors.New("bad number of arguments (found conflicting environment key): the key is given both by a variable and as an argument")
	errWatchCommand   = errors.New("bad number of arguments (found separator --, but no commands)")
)

func newWatch(s *shell.Shell) *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:   "watch [options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
		Short: "Follow what happens to a key, or to the keys of a range",
		Long: fmt.Sprintf(`Follow what happens to a key, or to the keys of a range, until the command is interrupted.

A command after -- is run for each event, with ETCD_WATCH_REVISION, ETCD_WATCH_EVENT_TYPE, ETCD_WATCH_KEY and ETCD_WATCH_VALUE,
the latter three quoted:

  %[1]s watch /jobs/ --prefix -- sh -c 'echo $ETCD_WATCH_KEY'

With -i, the standard input has a watch on each line, with its flags, or the word progress, which asks how far the watches are:

  watch /jobs/ --prefix --rev 12
  progress

ETCDCTL_WATCH_KEY and ETCDCTL_WATCH_RANGE_END stand for the arguments.`, s.Name),
		ValidArgsFunction: s.CompleteKeys,
		RunE:              s.Run(f.run),
	}
	cmd.Flags().BoolVarP(&f.interactive, "interactive", "i", false, "read what to watch from the standard input")
	f.register(cmd.Flags())
	cmd.Flags().BoolVar(&f.times, "times", false, "print when each event came, and of which revision it is")
	cmd.Flags().BoolVar(&f.diff, "diff", false, "print what each event changed, in place of values")
	for _, name := range []string{"times", "diff"} {
		shell.MarkOwn(cmd, name)
	}
	return cmd
}

func (f *watchFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.prefix, "prefix", false, "all keys that begin with the given one")
	flags.Int64Var(&f.revision, "rev", 0, "begin with what happened at this revision (0: with what happens from now on)")
	flags.BoolVar(&f.previous, "prev-kv", false, "print the key and value that were there before, too")
	flags.BoolVar(&f.progress, "progress-notify", false, "print from time to time which revision the watch has reached, while nothing happens")
}

func (f *watchFlags) run(call *shell.Call) error {
	key, end := call.Variable("WATCH_KEY"), call.Variable("WATCH_RANGE_END")
	if key == "" && end != "" {
		return exit.Withf(exit.Arguments, "ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END=%q: set both, or none", end)
	}
	preset := nonEmpty(key, end)
	if (f.times || f.diff) && (f.interactive || call.Format() != output.Simple) {
		return exit.Withf(exit.Arguments, "--times and --diff are for watches in the format simple, without -i")
	}
	f.previous = f.previous || f.diff
	if f.interactive {
		return f.converse(call, preset)
	}
	what, err := parseWatched(call.Args, call.Command.ArgsLenAtDash(), preset)
	if err != nil {
		return exit.With(exit.Arguments, err)
	}
	client, err := call.Connect()
	if err != nil {
		return err
	}
	events, err := f.watch(client, what)
	if err != nil {
		return exit.With(exit.Arguments, err)
	}
	show := output.Watch
	if f.times || f.diff {
		show = f.annotated(call.Paint())
	}
	if err := follow(call, client, events, show, what.command); err != nil {
		return err
	}
	return exit.Withf(exit.Interrupted, "watch is canceled by the server")
}

// parseWatched takes the arguments apart: those before a "--", which is at dash or nowhere if that is -1, name keys, and
// those after it are a command. A preset key takes the place of the former.
func parseWatched(args []string, dash int, preset []string) (watched, error) {
	what := watched{keys: args}
	if dash >= 0 {
		what = watched{keys: args[:dash], command: args[dash:]}
		if len(what.command) == 0 {
			return watched{}, errWatchCommand
		}
	}
	if len(preset) > 0 {
		if len(what.keys) > 0 {
			return watched{}, errWatchConflict
		}
		what.keys = preset
	}
	if len(what.keys) == 0 {
		return watched{}, errWatchArguments
	}
	return what, nil
}

func (f *watchFlags) watch(client *clientv3.Client, what watched) (clientv3.WatchChan, error) {
	options := []clientv3.OpOption{clientv3.WithRev(f.revision)}
	if len(what.keys) == 2 {
		if f.prefix {
			return nil, errors.New("the end of a range and --prefix exclude each other")
		}
		options = append(options, clientv3.WithRange(what.keys[1]))
	}
	if f.prefix {
		options = append(options, clientv3.WithPrefix())
	}
	if f.previous {
		options = append(options, clientv3.WithPrevKV())
	}
	if f.progress {
		options = append(options, clientv3.WithProgressNotify())
	}
	return client.Watch(clientv3.WithRequireLeader(client.Ctx()), what.keys[0], options...), nil
}

// follow prints what a watch brings, and runs the command for each event, until the watch ends.
func follow(
	call *shell.Call, client *clientv3.Client, events clientv3.WatchChan, show func(*clientv3.WatchResponse) output.Answer, command []string,
) error {
	for answer := range events {
		if answer.Canceled {
			fmt.Fprintf(call.Shell.Stderr, "watch was canceled (%v)\n", answer.Err())
		}
		if answer.IsProgressNotify() {
			call.Println("progress notify:", answer.Header.GetRevision())
		}
		if err := call.Print(show(&answer)); err != nil {
			return err
		}
		if len(command) == 0 {
			continue
		}
		for _, event := range answer.Events {
			run := exec.CommandContext(client.Ctx(), command[0], command[1:]...)
			run.Env = append(run.Environ(),
				fmt.Sprintf("ETCD_WATCH_REVISION=%d", answer.Header.GetRevision()),
				fmt.Sprintf("ETCD_WATCH_EVENT_TYPE=%q", event.GetType()),
				fmt.Sprintf("ETCD_WATCH_KEY=%q", event.GetKv().GetKey()),
				fmt.Sprintf("ETCD_WATCH_VALUE=%q", event.GetKv().GetValue()))
			run.Stdout, run.Stderr = call.Shell.Stdout, call.Shell.Stderr
			if err := run.Run(); err != nil {
				fmt.Fprintf(call.Shell.Stderr, "command %q error (%v)\n", command, err)
				return exit.Silently(exit.Failure)
			}
		}
	}
	return nil
}

// converse carries out the lines of the standard input until one cannot be, or a watch's command fails.
func (f *watchFlags) converse(call *shell.Call, preset []string) error {
	client, err := call.Connect()
	if err != nil {
		return err
	}
	type read struct {
		line string
		err  error
	}
	lines := make(chan read)
	// Nobody waits for the reader: only its own end ends a read of the standard input, and the process ends with this command.
	go func() {
		in := call.Lines()
		for {
			line, err := in.ReadString('\n')
			lines <- read{strings.TrimSuffix(line, "\n"), err}
		}
	}()
	var watches sync.WaitGroup
	defer watches.Wait()
	defer client.Close() // ends the watches
	failed := make(chan error, 1)
	for {
		select {
		case err := <-failed:
			return err
		case next := <-lines:
			if next.err != nil {
				return exit.With(exit.Input, fmt.Errorf("error reading watch request line: %w", next.err))
			}
			events, command, err := converseLine(call, client, next.line, preset)
			if err != nil {
				return err
			}
			if events == nil {
				continue
			}
			watches.Go(func() {
				if err := follow(call, client, events, output.Watch, command); err != nil {
					select {
					case failed <- err:
					default: // one reason to end is enough
					}
				}
			})
		}
	}
}

// converseLine carries out a line. If it asks for a watch, the watch is returned with the command to run for each event. What is only
// wrong with the line is told on the standard error.
func converseLine(call *shell.Call, client *clientv3.Client, line string, preset []string) (clientv3.WatchChan, []string, error) {
	args, err := words(line)
	if err != nil {
		return nil, nil, err
	}
	invalid := func(why any) (clientv3.WatchChan, []string, error) {
		fmt.Fprintf(call.Shell.Stderr, "Invalid command %s (%v)\n", line, why)
		return nil, nil, nil
	}
	switch {
	case len(args) == 0:
		return invalid("watch and progress supported")
	case args[0] == "progress":
		return nil, nil, exit.With(exit.Failure, client.RequestProgress(clientv3.WithRequireLeader(client.Ctx())))
	case args[0] != "watch":
		return invalid("only watch and progress are supported")
	case len(args) < 2 && len(preset) == 0:
		return invalid("command type or key is not provided")
	}
	var f watchFlags
	flags := pflag.NewFlagSet("watch", pflag.ContinueOnError)
	flags.Usage = func() {}
	f.register(flags)
	if err := flags.Parse(args[1:]); err != nil {
		return nil, nil, exit.With(exit.Arguments, err)
	}
	what, err := parseWatched(flags.Args(), flags.ArgsLenAtDash(), preset)
	if err != nil {
		return nil, nil, exit.With(exit.Arguments, err)
	}
	events, err := f.watch(client, what)
	if err != nil {
		return invalid(err)
	}
	return events, what.command, nil
}

func nonEmpty(all ...string) []string {
	var some []string
	for _, one := range all {
		if one != "" {
			some = append(some, one)
		}
	}
	return some
}
