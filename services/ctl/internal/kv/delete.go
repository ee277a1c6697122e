package kv

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// rangeDelay is how long a person who named a range without --range has to think again.
const rangeDelay = 2 * time.Second

// deleteFlags say which keys a del is about, and what it prints.
type deleteFlags struct {
	prefix   bool
	fromKey  bool
	isRange  bool
	previous bool
}

func newDelete(s *shell.Shell) *cobra.Command {
	var f deleteFlags
	cmd := &cobra.Command{
		Use:               "del [options] <key> [range_end]",
		Short:             "Delete a key, or the keys of a range [key, range_end)",
		ValidArgsFunction: s.CompleteKeys,
		RunE:              s.Run(f.run),
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *deleteFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.prefix, "prefix", false, "all keys that begin with the given one")
	flags.BoolVar(&f.previous, "prev-kv", false, "print the keys and values that were deleted, too")
	flags.BoolVar(&f.fromKey, "from-key", false, "all keys from the given one on, in the order of bytes")
	flags.BoolVar(&f.isRange, "range", false, "the two arguments are meant as a range: do not wait before it is deleted")
}

func (f *deleteFlags) run(call *shell.Call) error {
	key, options, err := f.operation(call.Args, call.Shell.Stderr)
	if err != nil {
		return err
	}
	answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.DeleteResponse, error) {
		return client.Delete(ctx, key, options...)
	})
	if err != nil {
		return err
	}
	return call.Print(output.Delete(answer))
}

// operation makes a deletion of the arguments and flags. A range that --range does not confirm is told on w, and waits.
func (f *deleteFlags) operation(args []string, w io.Writer) (key string, options []clientv3.OpOption, err error) {
	if len(args) == 0 || len(args) > 2 {
		return "", nil, exit.Withf(exit.Arguments, "del needs a key, and takes the end of a range after it")
	}
	options, key, err = keyRange("del", args, f.prefix, f.fromKey)
	if err != nil {
		return "", nil, err
	}
	if len(args) > 1 && !f.isRange {
		fmt.Fprintf(w, "Warning: all keys from %q up to %q are deleted in %v. Interrupt the command if you meant something else; "+
			"with --range it does not wait.\n", args[0], args[1], rangeDelay)
		time.Sleep(rangeDelay)
	}
	if f.previous {
		options = append(options, clientv3.WithPrevKV())
	}
	return key, options, nil
}
