// Package lease holds the commands about leases.
package lease

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// New is the command lease with the ones below it.
func New(s *shell.Shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lease <subcommand>",
		Short: "Grant, renew, look at and revoke leases",
		Long:  "Grant, renew, look at and revoke leases. A key that is put with --lease is deleted when its lease ends.",
	}
	cmd.AddCommand(newGrant(s), newRevoke(s), newTimeToLive(s), newList(s), newKeepAlive(s))
	return cmd
}

func newGrant(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "grant <ttl>",
		Short: "Grant a lease that ends unless it is renewed within this many seconds",
		RunE: s.Run(func(call *shell.Call) error {
			if len(call.Args) != 1 {
				return exit.Withf(exit.Arguments, "lease grant needs one argument, the time to live in seconds")
			}
			ttl, err := strconv.ParseInt(call.Args[0], 10, 64)
			if err != nil {
				return exit.Withf(exit.Arguments, "bad TTL (%w): it is a number of seconds", err)
			}
			answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.LeaseGrantResponse, error) {
				return client.Grant(ctx, ttl)
			})
			if err != nil {
				return exit.Withf(exit.Code(err), "failed to grant lease (%w)", err)
			}
			return call.Print(output.Granted(answer))
		}),
	}
}

func newRevoke(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke <leaseID>",
		Short: "End a lease, and delete its keys",
		RunE: s.Run(func(call *shell.Call) error {
			id, err := argument(call, "revoke")
			if err != nil {
				return err
			}
			answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.LeaseRevokeResponse, error) {
				return client.Revoke(ctx, id)
			})
			if err != nil {
				return exit.Withf(exit.Code(err), "failed to revoke lease (%w)", err)
			}
			return call.Print(output.Revoked(id, answer))
		}),
	}
}

func newTimeToLive(s *shell.Shell) *cobra.Command {
	var keys bool
	cmd := &cobra.Command{
		Use:   "timetolive <leaseID> [options]",
		Short: "Print how long a lease lives on",
		RunE: s.Run(func(call *shell.Call) error {
			id, err := argument(call, "timetolive")
			if err != nil {
				return err
			}
			var options []clientv3.LeaseOption
			if keys {
				options = append(options, clientv3.WithAttachedKeys())
			}
			answer, err := shell.AskOr(call, exit.Connection, func(ctx context.Context, client *clientv3.Client) (*clientv3.LeaseTimeToLiveResponse, error) {
				return client.TimeToLive(ctx, id, options...)
			})
			if err != nil {
				return err
			}
			return call.Print(output.TimeToLive(answer, keys))
		}),
	}
	cmd.Flags().BoolVar(&keys, "keys", false, "print the lease's keys, too")
	return cmd
}

func newList(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Print the ids of all leases",
		RunE: s.Run(func(call *shell.Call) error {
			answer, err := shell.AskOr(call, exit.Connection, func(ctx context.Context, client *clientv3.Client) (*clientv3.LeaseLeasesResponse, error) {
				return client.Leases(ctx)
			})
			if err != nil {
				return err
			}
			return call.Print(output.Leases(answer))
		}),
	}
}

func newKeepAlive(s *shell.Shell) *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "keep-alive [options] <leaseID>",
		Short: "Renew a lease again and again, until it ends",
		RunE: s.Run(func(call *shell.Call) error {
			id, err := argument(call, "keep-alive")
			if err != nil {
				return err
			}
			if once {
				answer, err := shell.AskOr(call, exit.Connection, func(ctx context.Context, client *clientv3.Client) (*clientv3.LeaseKeepAliveResponse, error) {
					return client.KeepAliveOnce(ctx, id)
				})
				if err != nil {
					return err
				}
				return call.Print(output.KeptAlive(answer))
			}
			return keepAlive(call, id)
		}),
	}
	cmd.Flags().BoolVar(&once, "once", false, "renew it one time and return")
	return cmd
}

// keepAlive renews a lease until it ends, and prints each time that it did.
func keepAlive(call *shell.Call, id clientv3.LeaseID) error {
	client, err := call.Connect()
	if err != nil {
		return err
	}
	renewed, err := client.KeepAlive(client.Ctx(), id)
	if err != nil {
		return exit.With(exit.Connection, err)
	}
	for answer := range renewed {
		if err := call.Print(output.KeptAlive(answer)); err != nil {
			return err
		}
	}
	if call.Format() == output.Simple {
		call.Printf("lease %016x expired or revoked.\n", id)
	}
	return nil
}

// argument is the lease that the command is about, its only argument.
func argument(call *shell.Call, command string) (clientv3.LeaseID, error) {
	if len(call.Args) != 1 {
		return 0, exit.Withf(exit.Arguments, "lease %s needs one argument, the lease's ID in hexadecimal", command)
	}
	id, err := strconv.ParseInt(call.Args[0], 16, 64)
	if err != nil {
		return 0, exit.Withf(exit.Arguments, "bad lease ID arg (%w), expecting ID in Hex", err)
	}
	return clientv3.LeaseID(id), nil
}
