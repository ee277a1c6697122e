package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// endpointFlags say which endpoints a command asks, one by one.
type endpointFlags struct {
	cluster bool
}

func (f *endpointFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.cluster, "cluster", false, "ask all members of the cluster, whatever --endpoints names")
}

func newEndpoint(s *shell.Shell) *cobra.Command {
	var f endpointFlags
	cmd := &cobra.Command{
		Use:   "endpoint <subcommand>",
		Short: "Ask members one by one how they are and what they have",
		Long:  "Ask the member behind each endpoint how it is and what it has.",
	}
	f.register(cmd.PersistentFlags())
	cmd.AddCommand(newHealth(s, &f), newStatus(s, &f), newHashKV(s, &f))
	return cmd
}

// each has a client of each endpoint alone.
func (f *endpointFlags) each(call *shell.Call, ask func(endpoint string, client *clientv3.Client)) error {
	endpoints, err := f.endpoints(call)
	if err != nil {
		return err
	}
	config, err := call.Config()
	if err != nil {
		return err
	}
	for _, endpoint := range endpoints {
		one := *config
		one.Endpoints = []string{endpoint}
		client, err := call.Dial(&one)
		if err != nil {
			return err
		}
		ask(endpoint, client)
		_ = client.Close() // the end of its context is all that it can say
	}
	return nil
}

// endpoints are those that the flags name, or of all members.
func (f *endpointFlags) endpoints(call *shell.Call) ([]string, error) {
	config, err := call.Config()
	if err != nil {
		return nil, err
	}
	if !f.cluster {
		return config.Endpoints, nil
	}
	members, err := shell.Ask(call, func(ctx context.Context, client *clientv3.Client) (*clientv3.MemberListResponse, error) {
		return client.MemberList(ctx)
	})
	if err != nil {
		return nil, exit.Withf(exit.Code(err), "failed to fetch endpoints from etcd cluster member list: %w", err)
	}
	var all []string
	for _, member := range members.Members {
		all = append(all, member.GetClientURLs()...)
	}
	return all, nil
}

func newHealth(s *shell.Shell, f *endpointFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Say of each endpoint whether it serves",
		RunE:  s.Run(f.health),
	}
}

func (f *endpointFlags) health(call *shell.Call) error {
	endpoints, err := f.endpoints(call)
	if err != nil {
		return err
	}
	config, err := call.Config()
	if err != nil {
		return err
	}
	answers := make(chan output.Health, len(endpoints))
	var asking sync.WaitGroup
	for _, endpoint := range endpoints {
		one := *config
		one.Endpoints = []string{endpoint}
		asking.Go(func() { answers <- healthOf(call, endpoint, &one) })
	}
	asking.Wait()
	close(answers)
	var all []output.Health // in the order in which they answered
	sick := false
	for h := range answers {
		all = append(all, h)
		if h.Error == "" {
			continue
		}
		sick = true
		if call.Format() == output.Simple {
			fmt.Fprintf(call.Shell.Stderr, "%s is unhealthy: failed to commit proposal: %v\n", h.Endpoint, h.Error)
		}
	}
	if err := call.Print(output.Healths(all)); err != nil {
		return err
	}
	if sick {
		return exit.Withf(exit.Failure, "unhealthy cluster")
	}
	return nil
}

// healthOf asks an endpoint for a key, which takes a leader and a quorum, and for alarms. That the user may not read the key shows
// as much.
func healthOf(call *shell.Call, endpoint string, config *clientv3.Config) output.Health {
	client, err := clientv3.New(*config)
	if err != nil {
		return output.Health{Endpoint: endpoint, Error: err.Error()}
	}
	defer client.Close()
	ctx, cancel := call.Timeout()
	defer cancel()
	began := time.Now()
	_, err = client.Get(ctx, "health")
	health := output.Health{Endpoint: endpoint, Took: time.Since(began).String()}
	if err != nil && !errors.Is(err, rpctypes.ErrPermissionDenied) {
		health.Error = err.Error()
		return health
	}
	alarms, err := client.AlarmList(ctx)
	switch {
	case err != nil:
		health.Error = "Unable to fetch the alarm list"
	case len(alarms.Alarms) > 0:
		health.Error = "Active Alarm(s): " + alarmNames(alarms.Alarms)
	}
	health.Healthy = health.Error == ""
	return health
}

func alarmNames(alarms []*etcdserverpb.AlarmMember) string {
	var names strings.Builder
	for _, alarm := range alarms {
		switch kind := alarm.GetAlarm(); kind {
		case etcdserverpb.AlarmType_NOSPACE, etcdserverpb.AlarmType_CORRUPT:
			names.WriteString(kind.String() + " ")
		default:
			names.WriteString("UNKNOWN ")
		}
	}
	return names.String()
}

func newStatus(s *shell.Shell, f *endpointFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Print what the member behind each endpoint says of itself",
		Long: `Print what the member behind each endpoint says of itself. In the format simple that is, with commas: endpoint, ID, version, storage
version, size of the data, of it in use, percentage not in use, quota, is leader, is learner, raft term, raft index, raft applied index,
errors, downgrade target version, downgrade enabled. --write-out=table has headings.
`,
		RunE: s.Run(func(call *shell.Call) error {
			var all []output.Status
			var failed error
			err := f.each(call, func(endpoint string, client *clientv3.Client) {
				ctx, cancel := call.Timeout()
				defer cancel()
				status, err := client.Status(ctx, endpoint)
				if err != nil {
					failed = err
					fmt.Fprintf(call.Shell.Stderr, "Failed to get the status of endpoint %s (%v)\n", endpoint, err)
					return
				}
				all = append(all, output.Status{Endpoint: endpoint, Status: status})
			})
			if err != nil {
				return err
			}
			if err := call.Print(output.Statuses(all)); err != nil {
				return err
			}
			if failed != nil {
				return exit.Silently(exit.Failure)
			}
			return nil
		}),
	}
}

func newHashKV(s *shell.Shell, f *endpointFlags) *cobra.Command {
	var revision int64
	cmd := &cobra.Command{
		Use:   "hashkv",
		Short: "Print a hash of all keys and their history that each member has",
		RunE: s.Run(func(call *shell.Call) error {
			var all []output.Hash
			var failed error
			err := f.each(call, func(endpoint string, client *clientv3.Client) {
				ctx, cancel := call.Timeout()
				defer cancel()
				hash, err := client.HashKV(ctx, endpoint, revision)
				if err != nil {
					failed = err
					fmt.Fprintf(call.Shell.Stderr, "Failed to get the hash of endpoint %s (%v)\n", endpoint, err)
					return
				}
				all = append(all, output.Hash{Endpoint: endpoint, HashKV: hash})
			})
			if err != nil {
				return err
			}
			if err := call.Print(output.Hashes(all)); err != nil {
				return err
			}
			return exit.With(exit.Failure, failed)
		}),
	}
	cmd.PersistentFlags().Int64Var(&revision, "rev", 0, "as of this revision (0: the current one)")
	return cmd
}
