package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoratedb/quorate/tests/faults/chaos/check"
	"github.com/quoratedb/quorate/tests/faults/chaos/cluster"
	"github.com/quoratedb/quorate/tests/faults/chaos/history"
	"github.com/quoratedb/quorate/tests/faults/chaos/nemesis"
	"github.com/quoratedb/quorate/tests/faults/chaos/network"
	"github.com/quoratedb/quorate/tests/faults/chaos/sandbox"
	"github.com/quoratedb/quorate/tests/faults/chaos/workload"
)

const (
	// spareHosts is how many members can be added beyond the first.
	spareHosts = 1
	// leasesWithin is how long the leases of the last moments may take to go: the longest life that a store gives, and the allowance.
	leasesWithin = 5*time.Second + check.ExpiryAllowance
	// tlsSuffix marks a number of members that talk TLS.
	tlsSuffix = "tls"
	// searchWithin bounds porcupine's search.
	searchWithin = time.Minute
)

// serverArgs make logs so short that a member which was away for seconds may need a snapshot.
var serverArgs = []string{"--snapshot-count=200", "--snapshot-catchup-entries=100"}

// round is one run against one cluster.
type round struct {
	options
	members int
	tls     bool
	begin   time.Time
	cluster *cluster.Cluster
	network *network.Network
	faults  *nemesis.Report
	record  *workload.Record
	states  []history.MemberState
	calm    []history.Calm
	// users says that authentication is enabled.
	users bool
	// skipped are the kinds of faults that this machine does not allow.
	skipped []string
}

// inside runs a round in the sandbox and reports. It returns the exit code.
func inside(ctx context.Context, o options) (int, error) {
	r := &round{options: o, tls: strings.HasSuffix(o.members, tlsSuffix)}
	var err error
	if r.members, err = strconv.Atoi(strings.TrimSuffix(o.members, tlsSuffix)); err != nil {
		return 1, fmt.Errorf("members: %w", err)
	}
	r.dir = filepath.Join(o.dir, fmt.Sprintf("%s-members-seed-%d", o.members, o.seed))
	if err := errors.Join(os.RemoveAll(r.dir), os.MkdirAll(r.dir, 0o755)); err != nil {
		return 1, err
	}
	if err := r.build(); err != nil {
		return 1, err
	}
	defer r.network.Close()
	defer r.cluster.Close()
	failure := r.run(ctx)
	verdicts := r.judge(failure)
	if r.print(os.Stdout, verdicts, failure) {
		return 0, nil
	}
	return 1, nil
}

func (r *round) build() (err error) {
	if r.network, err = network.New(r.members+spareHosts, r.seed); err != nil {
		return err
	}
	r.cluster, err = cluster.New(cluster.Config{
		Binary: r.server, Other: r.other, Args: serverArgs, Members: r.members, Network: r.network, TLS: r.tls, Held: true,
		Logs: r.dir, Disks: sandbox.Disks,
	})
	return err
}

// run starts the cluster, has it used and broken, and reads what is left. An error says what the cluster failed to do.
func (r *round) run(ctx context.Context) error {
	only, err := regexp.Compile(r.only)
	if err != nil {
		return fmt.Errorf("only: %w", err)
	}
	if err := r.cluster.Start(ctx); err != nil {
		return err
	}
	if err := r.secure(ctx); err != nil {
		return err
	}
	r.begin = time.Now()
	config := workload.Config{
		Dial: r.cluster.Dial, Endpoints: r.cluster.Endpoints(), Spare: r.cluster.SpareEndpoints(), Seed: r.seed, Begin: r.begin,
	}
	if r.users {
		config.DialAs = func(login workload.Login, endpoints ...string) (*clientv3.Client, error) {
			return r.cluster.DialAs(login.Name, login.Password, endpoints...)
		}
	}
	work, err := workload.New(config)
	if err != nil {
		return err
	}
	work.Start()
	chosen := r.chosen(only)
	if len(chosen) == 0 {
		work.Abort()
		return fmt.Errorf("only: no fault matches %q", r.only)
	}
	scene := &nemesis.Scene{Cluster: r.cluster, Network: r.network, Random: rand.New(rand.NewPCG(r.seed, 0))}
	r.faults, err = nemesis.Run(ctx, scene, chosen, r.begin, r.duration)
	if err != nil {
		work.Abort()
		return err
	}
	quiet := time.Since(r.begin)
	work.Quiet()
	select {
	case <-ctx.Done():
		work.Abort()
		return ctx.Err()
	case <-time.After(leasesWithin):
	}
	var end int64
	if r.record, end, err = work.Finish(ctx); err != nil {
		return err
	}
	r.calm = append(r.faults.Calm, history.Calm{Begin: quiet, End: time.Since(r.begin)})
	for _, m := range r.cluster.Joined() {
		state, err := workload.ReadState(ctx, m.Client, m.Name(), end)
		if err != nil {
			return err
		}
		r.states = append(r.states, state)
	}
	return nil
}

// secure enables authentication, if the server has it, and logs in.
func (r *round) secure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cluster.HealthyWithin)
	defer cancel()
	err := workload.Secure(ctx, r.cluster.Joined()[0].Client)
	if status.Code(err) == codes.Unimplemented {
		r.skipped = append(r.skipped, fmt.Sprintf("users and their rights: %v", err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("enable authentication: %w", err)
	}
	r.users = true
	return r.cluster.LogIn(workload.Root.Name, workload.Root.Password)
}

func (r *round) chosen(only *regexp.Regexp) []nemesis.Fault {
	var chosen []nemesis.Fault
	clocks, err := nemesis.Clocks(r.cluster)
	if err != nil {
		r.skipped = append(r.skipped, fmt.Sprintf("clock jumps: %v", err))
	}
	builds, err := nemesis.Builds(r.cluster)
	if err != nil {
		r.skipped = append(r.skipped, fmt.Sprintf("changes of the program: %v", err))
	}
	promoting, err := nemesis.Promoting(r.cluster)
	if err != nil {
		r.skipped = append(r.skipped, fmt.Sprintf("learners that promote themselves: %v", err))
	}
	catalogue := [][]nemesis.Fault{nemesis.Processes(), nemesis.Disks(), nemesis.Links(), nemesis.Membership(), promoting, clocks, builds}
	if strings.HasPrefix(r.only, "sabotage") {
		catalogue = [][]nemesis.Fault{nemesis.Sabotage()}
	}
	for _, faults := range catalogue {
		for _, fault := range faults {
			if only.MatchString(fault.Name) {
				chosen = append(chosen, fault)
			}
		}
	}
	return chosen
}

// judge runs all checks, if there is something to judge.
func (r *round) judge(failure error) []check.Verdict {
	if failure != nil || len(r.states) == 0 {
		return nil
	}
	stored := r.states[0].Stored
	operations, placed := check.Operations(stored, r.record.Operations)
	verdicts := []check.Verdict{
		check.History(r.states),
		operations,
		check.Order(r.record.Operations, placed),
		check.Linearizable(r.record.Operations, placed, searchWithin),
		check.Watches(stored, r.record.Watchers),
		check.Leases(r.record.Leases, r.record.Watchers, r.calm),
		check.NoLeases(r.states),
		check.Failures(r.record.Failures, r.cluster.Outages(r.begin), len(r.record.Operations)+len(r.record.Failures)),
	}
	if r.users {
		verdicts = append(
			verdicts,
			check.Rights(stored, r.record.RightChanges, r.record.UserRequests, r.calm),
			check.UserWatches(placed, r.record.RightChanges, r.record.UserWatches, r.calm),
		)
	}
	return verdicts
}
