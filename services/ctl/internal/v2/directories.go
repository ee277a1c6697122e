package v2

import (
	"context"

	"github.com/spf13/cobra"
	client "go.etcd.io/etcd/client/v2"

	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

func newMakeDirectory(s *shell.Shell) *cobra.Command {
	return newDirectoryWord(s, "mkdir", "Make a directory that is not there yet", client.PrevNoExist)
}

func newSetDirectory(s *shell.Shell) *cobra.Command {
	return newDirectoryWord(s, "setdir", "Make a directory, in the place of a key if there is one", client.PrevIgnore)
}

func newUpdateDirectory(s *shell.Shell) *cobra.Command {
	return newDirectoryWord(s, "updatedir", "Change the TTL of a directory that is there", client.PrevExist)
}

// newDirectoryWord is a word that writes a directory, of which it prints nothing in the format simple.
func newDirectoryWord(s *shell.Shell, word, short string, exist client.PrevExistType) *cobra.Command {
	var lifetime ttl
	cmd := &cobra.Command{
		Use:   word + " <key>",
		Short: short,
		RunE: s.Run(func(call *shell.Call) error {
			name, err := key(call)
			if err != nil {
				return err
			}
			duration, err := lifetime.duration(call)
			if err != nil {
				return err
			}
			answer, err := ask(call, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
				return keys.Set(ctx, name, "", &client.SetOptions{TTL: duration, Dir: true, PrevExist: exist})
			})
			if err != nil || call.Format() == output.Simple {
				return err
			}
			return printAnswer(call, answer)
		}),
	}
	lifetime.register(cmd)
	return cmd
}

func newRemoveDirectory(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "rmdir <key>",
		Short: "Delete an empty directory, or a key",
		RunE:  s.Run(func(call *shell.Call) error { return remove(call, &client.DeleteOptions{Dir: true}) }),
	}
}

func newList(s *shell.Shell) *cobra.Command {
	var options client.GetOptions
	var slashes bool
	cmd := &cobra.Command{
		Use:   "ls [key]",
		Short: "Print what a directory holds, the root if none is named",
		RunE: s.Run(func(call *shell.Call) error {
			name := "/"
			if len(call.Args) > 0 {
				name = call.Args[0]
			}
			answer, err := ask(call, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
				return keys.Get(ctx, name, &options)
			})
			switch {
			case err != nil:
				return err
			case call.Format() != output.Simple:
				return printAnswer(call, answer)
			case !answer.Node.Dir:
				call.Println(answer.Node.Key)
			}
			printNodes(call, answer.Node.Nodes, slashes)
			return nil
		}),
	}
	cmd.Flags().BoolVar(&options.Sort, "sort", false, "in the order of their names")
	cmd.Flags().BoolVarP(&options.Recursive, "recursive", "r", false, "with all that is below")
	cmd.Flags().BoolVarP(&slashes, "p", "p", false, "with a slash after directories")
	quorumFlag(cmd, &options.Quorum)
	return cmd
}

// printNodes prints the names of nodes, each before what is below it.
func printNodes(call *shell.Call, nodes client.Nodes, slashes bool) {
	for _, node := range nodes {
		if node.Dir && slashes {
			call.Println(node.Key + "/")
		} else {
			call.Println(node.Key)
		}
		printNodes(call, node.Nodes, slashes)
	}
}
