// Alerts has Prometheus load the alerts of etcd's mixin and our own, watch three members that are well, that miss one, two and all, and judges which
// alerts fire. It asks every expression of the mixin's dashboards too.
//
//	make alerts
//
// It needs Debian's packages prometheus and jsonnet's Go implementation. How long an alert waits is shortened to seconds, and the mixin is told that
// Prometheus scrapes every second. Those that speak of how fast disks and networks are may fire on a busy machine, and are only told of.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/monitoring"
	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// within bounds how long alerts may take to fire, or to end: rates look a minute back. For quiet they must stay as they are.
	within = 2 * time.Minute
	quiet  = 8 * time.Second
	// usedFor is how long members that are well are used before anything is judged.
	usedFor = 20 * time.Second
)

// ofTheMachine are alerts that tell of the speed of disks, networks and processors.
var ofTheMachine = []string{
	"etcdHighFsyncDurations", "etcdHighCommitDurations", "etcdGRPCRequestsSlow", "etcdMemberCommunicationSlow", "QuorateSlowDisk", "QuorateSlowWrites",
}

// step is a state of the cluster, and what is to fire in it.
type step struct {
	name string
	// lost is how many of the members are killed by then.
	lost int
	want []string
}

var steps = []step{
	{name: "healthy"},
	{name: "degraded", lost: 1, want: []string{"etcdMembersDown", "QuorateMemberDown", "QuoratePeersUnreachable"}},
	{name: "without quorum", lost: 2, want: []string{
		"etcdMembersDown", "etcdInsufficientMembers", "etcdNoLeader",
		"QuorateMemberDown", "QuorateQuorumLost", "QuorateNoLeader", "QuorateMemberWithoutLeader", "QuorateNoLeaseHolder", "QuoratePeersUnreachable",
	}},
	{name: "dead", lost: 3, want: []string{"etcdMembersDown", "etcdInsufficientMembers", "QuorateMemberDown", "QuorateQuorumLost", "QuorateAllMembersDown"}},
}

// options are the command line.
type options struct{ jsonnet, mixin, prometheus, server string }

func main() {
	var o options
	flag.StringVar(&o.jsonnet, "jsonnet", "jsonnet", "the program that renders the mixin")
	flag.StringVar(&o.mixin, "mixin", "", "the folder of etcd's mixin")
	flag.StringVar(&o.prometheus, "prometheus", "prometheus", "Prometheus")
	flag.StringVar(&o.server, "server", filepath.Join(harness.Root(), "bin", "quorate"), "the server to watch")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "alerts: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "quorate-alerts-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cluster := harness.NewCluster(harness.Config{Binary: o.server, DataDir: dir, Args: []string{"--metrics=extensive"}}, 3)
	if err := cluster.Start(ctx); err != nil {
		return err
	}
	defer cluster.Kill()
	rules, err := o.rules(ctx, dir)
	if err != nil {
		return err
	}
	started, err := monitoring.Start(ctx, o.prometheus, dir, rules, "etcd", "quorate") // the job that etcd's mixin looks for, and ours
	if err != nil {
		return err
	}
	defer started.Stop()
	watcher := &prometheus{started}
	if err := watcher.Watch(addresses(cluster)...); err != nil {
		return err
	}
	leading, err := leaderLast(ctx, cluster)
	if err != nil {
		return err
	}
	if err := use(ctx, leading[2]); err != nil {
		return err
	}
	var failed []error
	for _, s := range steps {
		for _, member := range leading[:s.lost] {
			member.Kill()
		}
		if err := watcher.judge(ctx, s); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
		}
		if s.lost == 0 {
			failed = append(failed, o.dashboards(ctx, watcher))
		}
	}
	return errors.Join(failed...)
}

// prometheus is one that is judged by what fires.
type prometheus struct{ *monitoring.Prometheus }

func addresses(cluster harness.Cluster) (all []string) {
	for _, member := range cluster {
		all = append(all, member.Endpoint())
	}
	return all
}

// leaderLast orders the members so that the leader is killed last.
func leaderLast(ctx context.Context, cluster harness.Cluster) (harness.Cluster, error) {
	client, err := harness.Dial(cluster[0].Endpoint())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ordered := slices.Clone(cluster)
	for i, member := range ordered {
		status, err := client.Status(ctx, member.Endpoint())
		if err != nil {
			return nil, err
		}
		if status.Leader == status.Header.MemberId {
			ordered[i], ordered[2] = ordered[2], ordered[i]
			return ordered, nil
		}
	}
	return nil, errors.New("nobody leads")
}

// use makes what dashboards show of a member: writes, reads, a watch and a lease that is kept, for as long as it takes until rates are known.
func use(ctx context.Context, s *harness.Server) error {
	client, err := harness.Dial(s.Endpoint())
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, stop := context.WithTimeout(ctx, usedFor)
	defer stop()
	events := client.Watch(ctx, "k", clientv3.WithPrefix())
	lease, err := client.Grant(ctx, 60)
	if err != nil {
		return err
	}
	alive, err := client.KeepAlive(ctx, lease.ID)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-events:
			continue
		case <-alive:
			continue
		case <-ticker.C:
		}
		if _, err := client.Put(ctx, fmt.Sprintf("k%d", n%10), "v"); err != nil && ctx.Err() == nil {
			return err
		}
		if _, err := client.Get(ctx, "k0"); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// judge waits until what is wanted fires and nothing else does, and looks whether it stays so.
func (p *prometheus) judge(ctx context.Context, s step) error {
	deadline := time.Now().Add(within)
	wrong := p.wrong(ctx, s)
	for wrong != nil && time.Now().Before(deadline) {
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
		wrong = p.wrong(ctx, s)
	}
	if wrong != nil {
		return fmt.Errorf("after %s %w", within, wrong)
	}
	if err := pause(ctx, quiet); err != nil {
		return err
	}
	if err := p.wrong(ctx, s); err != nil {
		return err
	}
	firing, err := p.Firing(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%s (%d of 3 members): %s\n", s.name, 3-s.lost, orNone(slices.Sorted(maps.Keys(firing))))
	return nil
}

// wrong says what fires that should not, or does not that should.
func (p *prometheus) wrong(ctx context.Context, s step) error {
	firing, err := p.Firing(ctx)
	if err != nil {
		return err
	}
	var found []error
	for _, name := range s.want {
		if !firing[name] {
			found = append(found, fmt.Errorf("%s does not fire", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(firing)) {
		if !slices.Contains(s.want, name) && !slices.Contains(ofTheMachine, name) {
			found = append(found, fmt.Errorf("%s fires, and should not", name))
		}
	}
	return errors.Join(found...)
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no alert"
	}
	return strings.Join(names, ", ")
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
