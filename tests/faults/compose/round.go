package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/check"
	"github.com/quoratedb/quorate/tests/faults/chaos/history"
	"github.com/quoratedb/quorate/tests/faults/chaos/workload"
	"github.com/quoratedb/quorate/tests/faults/compose/stack"
	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// leasesWithin is how long the leases of the last moments may take to go: the longest life that a store gives, and the allowance.
	leasesWithin = 5*time.Second + check.ExpiryAllowance
	// searchWithin bounds porcupine's search.
	searchWithin = time.Minute
	// probeService begins the names of services that serve one member each, on the usual port of the network clients.
	probeService = "probe-"
)

// entrances are the ways in, by the service that clients connect to there. Each has clients of its own, and others use all.
var entrances = map[string][]string{"front-1": {endpoint, "localhost:4001"}, "front-2": {secondEndpoint}}

// endpoints are all entrances.
func endpoints() (all []string) {
	for _, service := range slices.Sorted(maps.Keys(entrances)) {
		all = append(all, entrances[service]...)
	}
	return all
}

// errWrong is returned when a run went through and its history is not right.
var errWrong = errors.New("the history is not what one correct store may give")

// chaos breaks each container in turn under load and judges the history, then what clients of both fronts notice when one is gone.
func chaos(ctx context.Context, s *stack.Stack, o options) error {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	containers, err := s.Containers(ctx)
	if err != nil {
		return err
	}
	if err := monitored(ctx, containers); err != nil {
		return err
	}
	begin := time.Now()
	work, err := workload.New(workload.Config{Dial: harness.Dial, Endpoints: endpoints(), Seed: o.seed, Begin: begin})
	if err != nil {
		return err
	}
	asking, err := harness.Dial(endpoint, secondEndpoint)
	if err != nil {
		return err
	}
	defer asking.Close()
	random := rand.New(rand.NewPCG(o.seed, 0))
	b := &breaker{containers: containers, random: random, begin: begin, answers: func(ctx context.Context) error {
		_, err := asking.Get(ctx, "health")
		return err
	}}
	faults := plan(containers, only, random)
	fmt.Printf("%d faults, seed %d (from, until, until all was well):\n", len(faults), o.seed)
	work.Start()
	err = b.run(ctx, faults, func(f injected) {
		fmt.Printf("  %6.1fs %6.1fs %6.1fs  %s %s\n", f.begin.Seconds(), f.heal.Seconds(), f.recovered.Seconds(), f.name, f.service)
	})
	if err != nil {
		work.Abort()
		return err
	}
	quiet := time.Since(begin)
	work.Quiet()
	select {
	case <-ctx.Done():
		work.Abort()
		return ctx.Err()
	case <-time.After(leasesWithin):
	}
	record, end, err := work.Finish(ctx)
	if err != nil {
		return err
	}
	calm := append(b.calm, history.Calm{Begin: quiet, End: time.Since(begin)})
	states, err := readStates(ctx, s, end)
	if err != nil {
		return err
	}
	err = report(ctx, b, record, states, calm)
	if failed := frontsTakeOver(ctx, containers); failed != nil {
		err = errors.Join(err, fmt.Errorf("clients that know both fronts: %w", failed))
	}
	return err
}

// readStates reads what each member holds in the end, by a service that asks it alone, or what the stack holds if there is no such service.
func readStates(ctx context.Context, s *stack.Stack, end int64) ([]history.MemberState, error) {
	members := map[string]string{}
	if err := s.Up(ctx, "probe"); err != nil {
		return nil, err
	}
	containers, err := s.Containers(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range containers {
		if strings.HasPrefix(c.Service, probeService) {
			address, err := c.Address(ctx, "clients")
			if err != nil {
				return nil, err
			}
			members[c.Service] = address + ":2379"
		}
	}
	if len(members) == 0 {
		members["stack"] = endpoint
	}
	var states []history.MemberState
	for name, at := range members {
		client, err := harness.Dial(at)
		if err != nil {
			return nil, err
		}
		state, err := workload.ReadState(ctx, client, name, end)
		client.Close()
		if err != nil {
			return nil, err
		}
		states = append(states, state)
	}
	return states, nil
}

// report prints what was done, noticed and found.
func report(ctx context.Context, b *breaker, record *workload.Record, states []history.MemberState, calm []history.Calm) error {
	unknown, events := 0, 0
	for i := range record.Operations {
		if record.Operations[i].Outcome == history.Unknown {
			unknown++
		}
	}
	for i := range record.Watchers {
		events += len(record.Watchers[i].Events)
	}
	fmt.Printf("%d operations, %d of them without an answer; %d requests failed; %d leases; %d events at %d watchers\n",
		len(record.Operations), unknown, len(record.Failures), len(record.Leases), events, len(record.Watchers))
	table(os.Stdout, b.done, newMoments(record))
	stored := states[0].Stored
	operations, placed := check.Operations(stored, record.Operations)
	good := check.Print(os.Stdout, []check.Verdict{
		check.History(states),
		operations,
		check.Order(record.Operations, placed),
		check.Linearizable(record.Operations, placed, searchWithin),
		check.Watches(stored, record.Watchers),
		check.Leases(record.Leases, record.Watchers, calm),
		check.NoLeases(states),
		check.Failures(record.Failures, outages(b.done), len(record.Operations)+len(record.Failures)),
	})
	var died []error
	for _, c := range b.containers {
		died = append(died, c.Ended(ctx))
	}
	if !good {
		died = append(died, errWrong)
	}
	return errors.Join(died...)
}

// outages are when a front was broken, for clients that know it alone: those that know both, and all of other containers' faults, must not notice more than
// a delay.
func outages(faults []injected) []history.Outage {
	var all []history.Outage
	for _, f := range faults {
		for _, entrance := range entrances[f.service] {
			all = append(all, history.Outage{Endpoint: entrance, Begin: f.begin, End: f.recovered})
		}
	}
	return all
}
