package v2

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"
	client "go.etcd.io/etcd/client/v2"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// ttlMax is the longest TTL that a request can carry, in seconds.
const ttlMax = math.MaxInt64 / uint64(time.Second)

// dashes is the end of the help of words that take a value.
const dashes = `
A value that begins with '-' would be taken for a flag. Write '--' before the key:

$ %[1]s -- <key> <value>

Without <value>, the standard input has it.`

// ttl is the flag --ttl.
type ttl struct{ seconds uint64 }

func (t *ttl) register(cmd *cobra.Command) {
	cmd.Flags().Uint64Var(&t.seconds, "ttl", 0, "delete it after so many `seconds` (0: never)")
}

func (t *ttl) duration(call *shell.Call) (time.Duration, error) {
	if t.seconds > ttlMax {
		return 0, fail(call, exit.Arguments, fmt.Errorf("--ttl is at most %d seconds", ttlMax))
	}
	return time.Duration(t.seconds) * time.Second, nil
}

// condition is a value and an index that a key must have for a change to be made.
type condition struct {
	value string
	index uint64
}

func (c *condition) register(cmd *cobra.Command, prefix string) {
	cmd.Flags().StringVar(&c.value, prefix+"-value", "", "only if the key has this `value`")
	cmd.Flags().Uint64Var(&c.index, prefix+"-index", 0, "only if the key was last changed at this `index` (0: any)")
}

// check refuses to compare with nothing: v2 has no way to, and would make the change whatever the key has.
func (c *condition) check(call *shell.Call, prefix string) error {
	if call.Command.Flags().Changed(prefix+"-value") && c.value == "" {
		return fail(call, exit.Arguments, fmt.Errorf("--%s-value is empty, and v2 cannot compare with an empty value: leave the flag out, or use --%[1]s-index", prefix))
	}
	return nil
}

func newSet(s *shell.Shell) *cobra.Command {
	var lifetime ttl
	var previous condition
	cmd := &cobra.Command{
		Use:   "set <key> <value>",
		Short: "Set the value of a key, and print it",
		Long:  "Set the value of a key, and print it. The key and the directories above it are made if they are not there.\n" + fmt.Sprintf(dashes, "set"),
		RunE: s.Run(func(call *shell.Call) error {
			if err := previous.check(call, "swap-with"); err != nil {
				return err
			}
			return write(call, &lifetime, client.SetOptions{PrevValue: previous.value, PrevIndex: previous.index})
		}),
	}
	lifetime.register(cmd)
	previous.register(cmd, "swap-with")
	return cmd
}

// write sets a key's value and prints it.
func write(call *shell.Call, lifetime *ttl, options client.SetOptions) error {
	name, value, err := keyAndValue(call)
	if err != nil {
		return err
	}
	if options.TTL, err = lifetime.duration(call); err != nil {
		return err
	}
	answer, err := ask(call, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
		return keys.Set(ctx, name, value, &options)
	})
	if err != nil {
		return err
	}
	return printAnswer(call, answer)
}

func newMake(s *shell.Shell) *cobra.Command {
	var lifetime ttl
	var inOrder bool
	cmd := &cobra.Command{
		Use:   "mk <key> <value>",
		Short: "Make a key that is not there yet, and print its value",
		Long:  "Make a key that is not there yet, and print its value.\n" + fmt.Sprintf(dashes, "mk"),
		RunE: s.Run(func(call *shell.Call) error {
			if !inOrder {
				return write(call, &lifetime, client.SetOptions{PrevExist: client.PrevNoExist})
			}
			name, value, err := keyAndValue(call)
			if err != nil {
				return err
			}
			duration, err := lifetime.duration(call)
			if err != nil {
				return err
			}
			answer, err := ask(call, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
				return keys.CreateInOrder(ctx, name, value, &client.CreateInOrderOptions{TTL: duration})
			})
			if err != nil {
				return err
			}
			return printAnswer(call, answer)
		}),
	}
	cmd.Flags().BoolVar(&inOrder, "in-order", false, "make it below the directory <key>, under a name that comes after those of all before")
	lifetime.register(cmd)
	return cmd
}

func newUpdate(s *shell.Shell) *cobra.Command {
	var lifetime ttl
	cmd := &cobra.Command{
		Use:   "update <key> <value>",
		Short: "Set the value of a key that is there, and print it",
		Long:  "Set the value of a key that is there, and print it. Without --ttl it will have no TTL.\n" + fmt.Sprintf(dashes, "update"),
		RunE: s.Run(func(call *shell.Call) error {
			return write(call, &lifetime, client.SetOptions{PrevExist: client.PrevExist})
		}),
	}
	lifetime.register(cmd)
	return cmd
}

func newGet(s *shell.Shell) *cobra.Command {
	var sorted, quorum bool
	cmd := &cobra.Command{
		Use:   "get <key>",
		Short: "Print the value of a key",
		RunE: s.Run(func(call *shell.Call) error {
			name, err := key(call)
			if err != nil {
				return err
			}
			answer, err := ask(call, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
				return keys.Get(ctx, name, &client.GetOptions{Sort: sorted, Quorum: quorum})
			})
			switch {
			case err != nil:
				return err
			case answer.Node.Dir:
				return complain(call, "%s: is a directory", answer.Node.Key)
			}
			return printAnswer(call, answer)
		}),
	}
	cmd.Flags().BoolVar(&sorted, "sort", false, "have what a directory holds in order")
	quorumFlag(cmd, &quorum)
	return cmd
}

func quorumFlag(cmd *cobra.Command, quorum *bool) {
	cmd.Flags().BoolVarP(quorum, "quorum", "q", false, "read what a majority of members agrees on, not what the asked one has")
}

func newRemove(s *shell.Shell) *cobra.Command {
	var options client.DeleteOptions
	var previous condition
	cmd := &cobra.Command{
		Use:   "rm <key>",
		Short: "Delete a key or a directory, and print the value that was there",
		RunE: s.Run(func(call *shell.Call) error {
			if err := previous.check(call, "with"); err != nil {
				return err
			}
			options.PrevValue, options.PrevIndex = previous.value, previous.index
			return remove(call, &options)
		}),
	}
	cmd.Flags().BoolVar(&options.Dir, "dir", false, "delete an empty directory, too")
	cmd.Flags().BoolVarP(&options.Recursive, "recursive", "r", false, "delete a directory with all below it")
	previous.register(cmd, "with")
	return cmd
}

// remove deletes a key or directory and prints what was there.
func remove(call *shell.Call, options *client.DeleteOptions) error {
	name, err := key(call)
	if err != nil {
		return err
	}
	answer, err := ask(call, func(ctx context.Context, keys client.KeysAPI) (*client.Response, error) {
		return keys.Delete(ctx, name, options)
	})
	if err != nil {
		return err
	}
	return printChange(call, answer)
}

func newBackup(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "backup",
		Short: "Not there: snapshot save, of the v3 form, saves what v2 shows, too",
		RunE: s.Run(func(call *shell.Call) error {
			return fail(call, exit.Failure, errors.New("backup copies data directories of old etcds and is not there: "+
				"\"snapshot save FILE\", without ETCDCTL_API=2, saves a running store with what v2 shows"))
		}),
	}
}
