package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/quoratedb/quorate/tests/harness"
)

// clockTicks is the kernel's unit of CPU time in /proc, USER_HZ, which is 100 on every platform that Go runs on.
const clockTicks = 100

// result is what one run of a case on one system gave.
type result struct {
	value     float64       // in the case's unit
	p99       time.Duration // 0 if the case has none
	cpuPerOp  time.Duration // of all members
	peakBytes int64         // the measured members' largest resident sets, added up
	memory    memory        // of the cases that are about it
	note      string
}

func (r result) String() string {
	return strings.TrimSpace(fmt.Sprintf("%.1f\tp99 %v\t%v CPU an operation\t%d MB\t%s %s", r.value, r.p99, r.cpuPerOp, r.peakBytes>>20, r.memory, r.note))
}

// trial is one run of a case.
type trial struct {
	ctx     context.Context
	members harness.Cluster
	// serving are those of the members that clients connect to, measured those whose peak memory counts; nil for all.
	serving, measured harness.Cluster
	scale             float64
	result            result
}

// try runs a case on a fresh cluster of a system.
func try(ctx context.Context, s system, c benchCase, scale float64) (result, error) {
	dir, err := os.MkdirTemp("", "quorate-bench-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	t := &trial{
		ctx: ctx, scale: scale,
		members: harness.NewCluster(harness.Config{Binary: s.binary, DataDir: filepath.Join(dir, "data"), Args: c.args}, max(1, c.members)),
	}
	if err := t.members.Start(ctx); err != nil {
		return result{}, err
	}
	defer func() { t.members.Kill() }()
	if err := c.run(t); err != nil {
		return result{}, err
	}
	measured := t.measured
	if measured == nil {
		measured = t.members
	}
	for _, member := range measured {
		bytes, err := peak(member.PID())
		if err != nil {
			return result{}, err
		}
		t.result.peakBytes += bytes
	}
	return t.result, nil
}

// only is the member of a case that has one.
func (t *trial) only() *harness.Server { return t.members[0] }

// servers are those that clients connect to.
func (t *trial) servers() harness.Cluster {
	if t.serving != nil {
		return t.serving
	}
	return t.members
}

// times scales a number of operations.
func (t *trial) times(n int) int { return max(1, int(float64(n)*t.scale)) }

// measure runs ops operations and notes how many there were a second, and the members' CPU time for each.
func (t *trial) measure(ops int, run func() error) error {
	before, err := t.cpu()
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := run(); err != nil {
		return err
	}
	elapsed := time.Since(begin)
	after, err := t.cpu()
	if err != nil {
		return err
	}
	t.result.value = float64(ops) / elapsed.Seconds()
	t.result.cpuPerOp = (after - before) / time.Duration(ops)
	return nil
}

// latencies notes the 99th percentile.
func (t *trial) latencies(all []time.Duration) {
	if len(all) > 0 {
		slices.Sort(all)
		t.result.p99 = all[len(all)*99/100]
	}
}

// cpu is the CPU time that the members have used together.
func (t *trial) cpu() (time.Duration, error) {
	var sum time.Duration
	for _, member := range t.members {
		used, err := cpu(member.PID())
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// cpu is the CPU time that a process has used.
func cpu(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The command's name, in parentheses, may hold anything; state, the 3rd field, follows it.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return 0, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(user+system) * time.Second / clockTicks, nil
}

// peak is the largest resident set that a process has had, in bytes.
func peak(pid int) (int64, error) { return statusBytes(pid, "VmHWM") }

// median takes the middle of each figure by itself.
func median(results []result) result {
	middle := func(figure func(result) float64) float64 {
		var all []float64
		for _, r := range results {
			all = append(all, figure(r))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return result{
		value:     middle(func(r result) float64 { return r.value }),
		p99:       time.Duration(middle(func(r result) float64 { return float64(r.p99) })),
		cpuPerOp:  time.Duration(middle(func(r result) float64 { return float64(r.cpuPerOp) })),
		peakBytes: int64(middle(func(r result) float64 { return float64(r.peakBytes) })),
		memory: memory{
			anonPeak:  int64(middle(func(r result) float64 { return float64(r.memory.anonPeak) })),
			anonLater: int64(middle(func(r result) float64 { return float64(r.memory.anonLater) })),
		},
		note: results[len(results)-1].note,
	}
}
