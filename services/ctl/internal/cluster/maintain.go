package cluster

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

func newAlarm(s *shell.Shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alarm <subcommand>",
		Short: "List and take back alarms",
		Long:  "List and take back the alarms that members have raised: NOSPACE stops writes, CORRUPT stops everything.",
	}
	cmd.AddCommand(
		newAlarmWord(s, "disarm", "Take back all alarms", func(ctx context.Context, client *clientv3.Client) (*clientv3.AlarmResponse, error) {
			return client.AlarmDisarm(ctx, &clientv3.AlarmMember{})
		}),
		newAlarmWord(s, "list", "Print the alarms that members have raised", func(ctx context.Context, client *clientv3.Client) (*clientv3.AlarmResponse, error) {
			return client.AlarmList(ctx)
		}),
	)
	return cmd
}

func newAlarmWord(s *shell.Shell, word, short string, request func(context.Context, *clientv3.Client) (*clientv3.AlarmResponse, error)) *cobra.Command {
	return &cobra.Command{
		Use:   word,
		Short: short,
		RunE: s.Run(func(call *shell.Call) error {
			if len(call.Args) != 0 {
				return exit.Withf(exit.Arguments, "alarm %s takes no arguments", word)
			}
			answer, err := shell.Ask(call, request)
			if err != nil {
				return err
			}
			return call.Print(output.Alarms(answer))
		}),
	}
}

func newDefrag(s *shell.Shell) *cobra.Command {
	var f endpointFlags
	cmd := &cobra.Command{
		Use:   "defrag",
		Short: "Give space that is no longer used back to the members' disks",
		RunE: s.Run(func(call *shell.Call) error {
			failed := false
			err := f.each(call, func(endpoint string, client *clientv3.Client) {
				ctx, cancel := call.Timeout()
				defer cancel()
				began := time.Now()
				_, err := client.Defragment(ctx, endpoint)
				if err != nil {
					failed = true
					fmt.Fprintf(call.Shell.Stderr, "Failed to defragment etcd member[%s]. took %s. (%v)\n", endpoint, time.Since(began), err)
					return
				}
				call.Printf("Finished defragmenting etcd member[%s]. took %s\n", endpoint, time.Since(began))
			})
			if err == nil && failed {
				return exit.Silently(exit.Failure)
			}
			return err
		}),
	}
	f.register(cmd.PersistentFlags())
	return cmd
}

func newMoveLeader(s *shell.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "move-leader <transferee-member-id>",
		Short: "Have another member lead; --endpoints names the leader, or all members",
		RunE: s.Run(func(call *shell.Call) error {
			if len(call.Args) != 1 {
				return exit.Withf(exit.Arguments, "move-leader needs one argument, the ID of the member that is to lead")
			}
			target, err := strconv.ParseUint(call.Args[0], 16, 64)
			if err != nil {
				return exit.With(exit.Arguments, err)
			}
			return moveLeader(call, target)
		}),
	}
}

// moveLeader finds the leader among the endpoints and asks it: no other member can hand leadership over.
func moveLeader(call *shell.Call, target uint64) error {
	config, err := call.Config()
	if err != nil {
		return err
	}
	ctx, cancel := call.Timeout()
	defer cancel()
	for _, endpoint := range config.Endpoints {
		one := *config
		one.Endpoints = []string{endpoint}
		client, err := call.Dial(&one)
		if err != nil {
			return err
		}
		status, err := client.Status(ctx, endpoint)
		if err != nil {
			return exit.With(exit.Failure, err)
		}
		if status.Header.GetMemberId() != status.Leader {
			continue
		}
		answer, err := client.MoveLeader(ctx, target)
		if err != nil {
			return exit.With(exit.Failure, err)
		}
		return call.Print(output.LeaderMoved(status.Leader, target, answer))
	}
	return exit.Withf(exit.Arguments, "no leader endpoint given at %v: name all members with --endpoints", config.Endpoints)
}

func newDowngrade(s *shell.Shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "downgrade <TARGET_VERSION>",
		Short: "Prepare a cluster for members of an earlier version",
		Long:  "Prepare a cluster for members of an earlier version.",
	}
	target := func(call *shell.Call) (string, error) {
		switch {
		case len(call.Args) == 0 || len(call.Args) == 1 && call.Args[0] == "":
			return "", exit.Withf(exit.Arguments, "TARGET_VERSION not provided: it is a version such as 3.6.0")
		case len(call.Args) > 1:
			return "", exit.Withf(exit.Arguments, "too many arguments: there is one, TARGET_VERSION")
		}
		return call.Args[0], nil
	}
	cmd.AddCommand(
		newDowngradeStep(s, "validate", " <TARGET_VERSION>", "Ask whether the cluster could go back to a version", clientv3.DowngradeValidate, target),
		newDowngradeStep(s, "enable", " <TARGET_VERSION>", "Let members of the earlier version in", clientv3.DowngradeEnable, target),
		newDowngradeStep(s, "cancel", "", "Stay with the current version", clientv3.DowngradeCancel, func(*shell.Call) (string, error) { return "", nil }),
	)
	return cmd
}

func newDowngradeStep(s *shell.Shell, step, arguments, short string, action clientv3.DowngradeAction, target func(*shell.Call) (string, error)) *cobra.Command {
	return &cobra.Command{
		Use:   step + arguments,
		Short: short,
		RunE: s.Run(func(call *shell.Call) error {
			version, err := target(call)
			if err != nil {
				return err
			}
			answer, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.DowngradeResponse, error) {
				return client.Downgrade(ctx, action, version)
			})
			if err != nil {
				return err
			}
			return call.Print(output.Downgrade(step, answer))
		}),
	}
}
