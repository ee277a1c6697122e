// Package kv holds the commands that read, write and follow keys. What they print is package output's.
package kv

import (
	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// Commands are the package's commands.
func Commands(s *shell.Shell) []*cobra.Command {
	return []*cobra.Command{newCompaction(s), newDelete(s), newGet(s), newPut(s), newTxn(s), newWatch(s)}
}

// firstKey is the smallest key: the empty one is none.
const firstKey = "\x00"

// keyRange makes the keys that a command is about of its arguments, a key and perhaps the end of a range, and of the flags
// --prefix and --from-key.
func keyRange(command string, args []string, prefix, fromKey bool) (options []clientv3.OpOption, key string, err error) {
	key = args[0]
	switch {
	case prefix && fromKey:
		return nil, "", exit.Withf(exit.Arguments, "--prefix and --from-key exclude each other")
	case len(args) > 1 && (prefix || fromKey):
		return nil, "", exit.Withf(exit.Arguments, "%s takes one argument with --prefix or --from-key, and got the end of a range too", command)
	case len(args) > 1:
		return []clientv3.OpOption{clientv3.WithRange(args[1])}, key, nil
	case !prefix && !fromKey:
		return nil, key, nil
	case key == "":
		return []clientv3.OpOption{clientv3.WithFromKey()}, firstKey, nil
	case prefix:
		return []clientv3.OpOption{clientv3.WithPrefix()}, key, nil
	}
	return []clientv3.OpOption{clientv3.WithFromKey()}, key, nil
}

// complete has the shell offer the values of a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is not there: an error in this program
	}
}
