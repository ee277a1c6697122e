package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/cluster"
	"github.com/quoratedb/quorate/tests/faults/chaos/failover"
	"github.com/quoratedb/quorate/tests/faults/chaos/network"
	"github.com/quoratedb/quorate/tests/faults/chaos/sandbox"
)

// measureMembers is the size of the clusters that lose their leaders.
const measureMembers = 3

// measure loses leaders of clusters of each server in turn, o.failover times in each way, and prints the times without a
// successful write. Each turn has a cluster of its own.
func measure(ctx context.Context, o options) (int, error) {
	servers := strings.Split(o.server, ",")
	dir := filepath.Join(o.dir, "failover")
	hosts, err := network.New(measureMembers, o.seed)
	if err != nil {
		return 1, err
	}
	defer hosts.Close()
	times := map[string]map[string][]time.Duration{}
	for turn := range o.failover {
		for _, server := range servers {
			taken, err := measureTurn(ctx, server, hosts, filepath.Join(dir, fmt.Sprintf("%s-%d", filepath.Base(server), turn)))
			if err != nil {
				return 1, fmt.Errorf("%s, see the logs of members in %s: %w", server, dir, err)
			}
			if times[server] == nil {
				times[server] = map[string][]time.Duration{}
			}
			for way, t := range taken {
				times[server][way] = append(times[server][way], t)
			}
		}
	}
	fmt.Printf("\ntime without a successful write when the leader of %d members is lost, median of %d (shortest to longest):\n", measureMembers, o.failover)
	for _, way := range failover.Ways() {
		for _, server := range servers {
			t := times[server][way.Name]
			slices.Sort(t)
			fmt.Printf("  %-8s %-10s %5.2f s (%.2f to %.2f)\n", way.Name, filepath.Base(server), t[len(t)/2].Seconds(), t[0].Seconds(), t[len(t)-1].Seconds())
		}
	}
	return 0, os.RemoveAll(dir)
}

// measureTurn loses the leader once in each way.
func measureTurn(ctx context.Context, server string, hosts *network.Network, dir string) (map[string]time.Duration, error) {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return nil, err
	}
	c, err := cluster.New(cluster.Config{Binary: server, Members: measureMembers, Network: hosts, Logs: dir, Disks: sandbox.Disks})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.Start(ctx); err != nil {
		return nil, err
	}
	taken := map[string]time.Duration{}
	for _, way := range failover.Ways() {
		if taken[way.Name], err = failover.Measure(ctx, c, hosts, way); err != nil {
			return nil, fmt.Errorf("%s: %w", way.Name, err)
		}
	}
	return taken, nil
}
