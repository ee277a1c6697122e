package kv

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

func newTxn(s *shell.Shell) *cobra.Command {
	var interactive bool
	cmd := &cobra.Command{
		Use:   "txn [options]",
		Short: "Carry out several requests at once, depending on comparisons",
		Long: fmt.Sprintf(`Carry out several requests as one: all of them, or none.

The standard input has three parts, and each ends with an empty line: comparisons; what is done if all of them hold; and
what is done if one does not. With -i the parts are announced:

  %s txn -i
  compares:
  mod("key1") > "0"

  success requests (get, put, del):
  put key1 "written before"

  failure requests (get, put, del):
  put key1 "new"
  put key2 'new "as well"'

A comparison is TARGET("KEY") OP "VALUE". TARGET is val, ver (version), c (create), m (mod) or lease; OP is =, !=, < or >.
A request is a get, put or del with its flags, as on the command line.`, s.Name),
		RunE: s.Run(func(call *shell.Call) error { return runTxn(call, interactive) }),
	}
	cmd.Flags().BoolVarP(&interactive, "interactive", "i", false, "announce each part of the transaction")
	return cmd
}

func runTxn(call *shell.Call, interactive bool) error {
	if len(call.Args) != 0 {
		return exit.Withf(exit.Arguments, "txn takes no argument: the transaction is on the standard input")
	}
	client, err := call.Connect()
	if err != nil {
		return err
	}
	announce := func(part string) {
		if interactive {
			call.Println(part)
		}
	}
	in := call.Lines()
	announce("compares:")
	compares, err := readPart(in, parseCompare)
	if err != nil {
		return err
	}
	announce("success requests (get, put, del):")
	success, err := readPart(in, parseOperation)
	if err != nil {
		return err
	}
	announce("failure requests (get, put, del):")
	failure, err := readPart(in, parseOperation)
	if err != nil {
		return err
	}
	// As with etcdctl, nothing but the keep-alive bounds how long the answer may take: a person is at the other end.
	answer, err := client.Txn(context.Background()).If(compares...).Then(success...).Else(failure...).Commit()
	if err != nil {
		return exit.With(exit.Failure, err)
	}
	return call.Print(output.Txn(answer))
}

// readPart reads lines up to an empty one.
func readPart[T any](in *bufio.Reader, parse func(string) (T, error)) ([]T, error) {
	var all []T
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, exit.With(exit.Input, fmt.Errorf("a part of the transaction does not end with an empty line: %w", err))
		}
		line = strings.TrimSpace(line)
		if line == "" {
			return all, nil
		}
		one, err := parse(line)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
}

// parseOperation makes an operation of a line such as put key value --lease=1234.
func parseOperation(line string) (op clientv3.Op, err error) {
	args, err := words(line)
	if err != nil {
		return op, err
	}
	invalid := exit.Withf(exit.Input, "invalid txn request: %s; a line is a get, put or del with its arguments", line)
	if len(args) < 2 {
		return op, invalid
	}
	flags := pflag.NewFlagSet(args[0], pflag.ContinueOnError)
	flags.Usage = func() {}
	var get getFlags
	var put putFlags
	var del deleteFlags
	register, known := map[string]func(*pflag.FlagSet){"get": get.register, "put": put.register, "del": del.register}[args[0]]
	if !known {
		return op, invalid
	}
	register(flags)
	if err := flags.Parse(args[1:]); err != nil {
		return op, exit.Withf(exit.Input, "invalid txn request: %s: %w", line, err)
	}
	var key, value string
	var options []clientv3.OpOption
	switch args[0] {
	case "get":
		key, options, err = get.operation(flags.Args())
		op = clientv3.OpGet(key, options...)
	case "put":
		// The standard input has the transaction: a value can only be on the line.
		key, value, options, err = put.operation(flags.Args(), strings.NewReader(""))
		op = clientv3.OpPut(key, value, options...)
	case "del":
		del.isRange = true // a line that is sent after the others have been typed has been thought over
		key, options, err = del.operation(flags.Args(), io.Discard)
		op = clientv3.OpDelete(key, options...)
	}
	return op, err
}
