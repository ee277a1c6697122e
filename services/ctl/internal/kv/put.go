package kv

import (
	"context"
	"io"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// putFlags say what a put leaves as it is, and what it is bound to.
type putFlags struct {
	lease       string
	previous    bool
	ignoreValue bool
	ignoreLease bool
}

func newPut(s *shell.Shell) *cobra.Command {
	var f putFlags
	cmd := &cobra.Command{
		Use:   "put [options] <key> <value> (<value> can also be given from stdin)",
		Short: "Set the value of a key",
		Long: `
Set the value of a key. The key is created if it is not there.

Without <value>, the value is all that the standard input has, with its last newline if it has one:

$ put <key> < file

A value that begins with '-' would be taken for a flag. Write '--' before it:

$ put <key> -- <value>
$ put -- <key> <value>
`,
		ValidArgsFunction: s.CompleteKeys,
		RunE:              s.Run(f.run),
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *putFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.lease, "lease", "0", "`id` of a lease, in hexadecimal: the key is deleted when the lease ends")
	flags.BoolVar(&f.previous, "prev-kv", false, "print the key and value that were there before, too")
	flags.BoolVar(&f.ignoreValue, "ignore-value", false, "leave the value as it is: the key must exist, and <value> is left out")
	flags.BoolVar(&f.ignoreLease, "ignore-lease", false, "leave the key with the lease that it has: the key must exist")
}

func (f *putFlags) run(call *shell.Call) error {
	key, value, options, err := f.operation(call.Args, call.Shell.Stdin)
	if err != nil {
		return err
	}
	answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.PutResponse, error) {
		return client.Put(ctx, key, value, options...)
	})
	if err != nil {
		return err
	}
	return call.Print(output.Put(answer))
}

// operation makes a put of the arguments and flags; stdin has the value if no argument has it.
func (f *putFlags) operation(args []string, stdin io.Reader) (key, value string, options []clientv3.OpOption, err error) {
	switch {
	case len(args) == 0:
		return "", "", nil, exit.Withf(exit.Arguments, "put needs a key and a value, or a key and the value on the standard input")
	case f.ignoreValue && len(args) > 1:
		return "", "", nil, exit.Withf(exit.Arguments, "put takes a key alone with --ignore-value, and got a value too")
	case f.ignoreValue:
	case len(args) > 1:
		value = args[1]
	default:
		read, err := io.ReadAll(stdin)
		if err != nil || len(read) == 0 {
			return "", "", nil, exit.Withf(exit.Arguments, "put needs a value: the second argument, or what the standard input has")
		}
		value = string(read)
	}
	id, err := strconv.ParseInt(f.lease, 16, 64)
	if err != nil {
		return "", "", nil, exit.Withf(exit.Arguments, "bad lease ID (%w), expecting ID in Hex", err)
	}
	if id != 0 {
		options = append(options, clientv3.WithLease(clientv3.LeaseID(id)))
	}
	if f.previous {
		options = append(options, clientv3.WithPrevKV())
	}
	if f.ignoreValue {
		options = append(options, clientv3.WithIgnoreValue())
	}
	if f.ignoreLease {
		options = append(options, clientv3.WithIgnoreLease())
	}
	return args[0], value, options, nil
}
