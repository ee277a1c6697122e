package cluster

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

func newMember(s *shell.Shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "member <subcommand>",
		Short: "List, add, change, promote and remove members",
		Long:  "List, add, change, promote and remove members of the cluster.",
	}
	cmd.AddCommand(newMemberAdd(s), newMemberRemove(s), newMemberUpdate(s), newMemberList(s), newMemberPromote(s))
	return cmd
}

func newMemberAdd(s *shell.Shell) *cobra.Command {
	var peerURLs string
	var learner bool
	cmd := &cobra.Command{
		Use:   "add <memberName> [options]",
		Short: "Add a member, which is started afterwards",
		RunE: s.Run(func(call *shell.Call) error {
			switch {
			case len(call.Args) == 0:
				return exit.Withf(exit.Arguments, "member name not provided: member add needs one argument, the name")
			case len(call.Args) > 1:
				return exit.Withf(exit.Arguments, "too many arguments%s", urlsMeant(call.Args))
			case peerURLs == "":
				return exit.Withf(exit.Arguments, "member peer urls not provided: --peer-urls says where the others reach the member")
			}
			answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.MemberAddResponse, error) {
				urls := strings.Split(peerURLs, ",")
				if learner {
					return client.MemberAddAsLearner(ctx, urls)
				}
				return client.MemberAdd(ctx, urls)
			})
			if err != nil {
				return err
			}
			return call.Print(output.MemberAdded(answer, call.Args[0], peerURLs))
		}),
	}
	cmd.Flags().StringVar(&peerURLs, "peer-urls", "", "`URLs` at which the other members reach the new one, comma separated")
	cmd.Flags().BoolVar(&learner, "learner", false, "add it as a learner: it gets everything, but does not vote")
	return cmd
}

// urlsMeant guesses which arguments were meant as --peer-urls.
func urlsMeant(args []string) string {
	var guesses strings.Builder
	for _, arg := range args {
		if strings.HasPrefix(strings.ToLower(arg), "http") {
			guesses.WriteString(", did you mean --peer-urls=" + arg)
		}
	}
	return guesses.String()
}

func newMemberRemove(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "remove <memberID>",
		Short: "Remove a member, which stops by itself",
		RunE: s.Run(func(call *shell.Call) error {
			id, err := memberArgument(call)
			if err != nil {
				return err
			}
			answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.MemberRemoveResponse, error) {
				return client.MemberRemove(ctx, id)
			})
			if err != nil {
				return err
			}
			return call.Print(output.MemberRemoved(id, answer))
		}),
	}
}

func newMemberUpdate(s *shell.Shell) *cobra.Command {
	var peerURLs string
	cmd := &cobra.Command{
		Use:   "update <memberID> [options]",
		Short: "Change where a member is reached by the others",
		RunE: s.Run(func(call *shell.Call) error {
			id, err := memberArgument(call)
			if err != nil {
				return err
			}
			if peerURLs == "" {
				return exit.Withf(exit.Arguments, "member peer urls not provided: --peer-urls says where the others reach the member")
			}
			answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.MemberUpdateResponse, error) {
				return client.MemberUpdate(ctx, id, strings.Split(peerURLs, ","))
			})
			if err != nil {
				return err
			}
			return call.Print(output.MemberUpdated(id, answer))
		}),
	}
	cmd.Flags().StringVar(&peerURLs, "peer-urls", "", "`URLs` at which the other members reach it from now on, comma separated")
	return cmd
}

func newMemberList(s *shell.Shell) *cobra.Command {
	var consistency string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the members of the cluster",
		Long:  "Print the members of the cluster: ID, status, name, peer URLs, client URLs, and whether it is a learner.",
		RunE: s.Run(func(call *shell.Call) error {
			serializable, err := shell.Serializable(consistency)
			if err != nil {
				return err
			}
			var options []clientv3.OpOption
			if serializable {
				options = append(options, clientv3.WithSerializable())
			}
			answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.MemberListResponse, error) {
				return client.MemberList(ctx, options...)
			})
			if err != nil {
				return err
			}
			return call.Print(output.Members(answer))
		}),
	}
	cmd.Flags().StringVar(&consistency, "consistency", "l", "l (linearizable: the newest list) or s (serializable: what the member has, even without a leader)")
	return cmd
}

func newMemberPromote(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "promote <memberID>",
		Short: "Have a learner vote",
		RunE: s.Run(func(call *shell.Call) error {
			id, err := memberArgument(call)
			if err != nil {
				return err
			}
			answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.MemberPromoteResponse, error) {
				return client.MemberPromote(ctx, id)
			})
			if err != nil {
				return err
			}
			return call.Print(output.MemberPromoted(id, answer))
		}),
	}
}

// memberArgument is the member that a command is about, its only argument.
func memberArgument(call *shell.Call) (uint64, error) {
	if len(call.Args) != 1 {
		return 0, exit.Withf(exit.Arguments, "member ID is not provided: the command needs one argument, the ID in hexadecimal as member list prints it")
	}
	id, err := strconv.ParseUint(call.Args[0], 16, 64)
	if err != nil {
		return 0, exit.Withf(exit.Arguments, "bad member ID arg (%w), expecting ID in Hex", err)
	}
	return id, nil
}
