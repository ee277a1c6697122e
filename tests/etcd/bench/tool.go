package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/quoratedb/quorate/tests/harness"
)

var (
	perSecond = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	slowest   = regexp.MustCompile(`99% in ([\d.]+) secs`)
)

// benchmark runs etcd's own load tool for ops operations and notes what it says.
func (t *trial) benchmark(ops, clients, conns int, args ...string) error {
	tool, err := harness.Peer("benchmark")
	if err != nil {
		return err
	}
	var endpoints []string
	for _, server := range t.servers() {
		endpoints = append(endpoints, server.Endpoint())
	}
	args = append([]string{
		"--endpoints=" + strings.Join(endpoints, ","), fmt.Sprintf("--clients=%d", clients), fmt.Sprintf("--conns=%d", conns), "--precise",
	}, args...)
	var out []byte
	if err := t.measure(ops, func() error {
		out, err = exec.CommandContext(t.ctx, tool, args...).CombinedOutput()
		return err
	}); err != nil {
		return fmt.Errorf("benchmark %v: %w\n%s", args, err, out)
	}
	rate, p99 := perSecond.FindSubmatch(out), slowest.FindSubmatch(out)
	if rate == nil || p99 == nil {
		return fmt.Errorf("benchmark %v does not say how fast it was:\n%s", args, out)
	}
	if t.result.value, err = strconv.ParseFloat(string(rate[1]), 64); err != nil {
		return err
	}
	seconds, err := strconv.ParseFloat(string(p99[1]), 64)
	t.result.p99 = time.Duration(seconds * float64(time.Second))
	return err
}

func putWith(clients, conns, total int) func(*trial) error {
	return func(t *trial) error {
		ops := t.times(total)
		return t.benchmark(ops, clients, conns, "put", "--key-size=8", "--sequential-keys", "--key-space-size=1000000",
			"--val-size=256", fmt.Sprintf("--total=%d", ops))
	}
}

func rangeOne(consistency string) func(*trial) error {
	return func(t *trial) error {
		load, err := newLoad(t, 1)
		if err != nil {
			return err
		}
		defer load.close()
		if err := load.fill("key", 1, 256); err != nil {
			return err
		}
		ops := t.times(200_000)
		return t.benchmark(ops, 1000, 100, "range", fillKey("key", 0), "--consistency="+consistency, fmt.Sprintf("--total=%d", ops))
	}
}

func keepAlive(t *trial) error {
	ops := t.times(50_000)
	return t.benchmark(ops, 100, 100, "lease-keepalive", fmt.Sprintf("--total=%d", ops))
}
