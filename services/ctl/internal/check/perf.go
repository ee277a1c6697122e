package check

import (
	"context"
	"math"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/progress"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// perfSeconds is how long the check writes.
const perfSeconds = 60

// perfLoads are the loads by size: puts per second, and clients that share them.
var perfLoads = []struct{ rate, clients int }{{150, 50}, {1000, 200}, {8000, 500}, {15000, 1000}}

// What a store must reach to pass.
const (
	perfRateMin    = 0.9                    // of the rate that was asked for
	perfSlowestMax = 500 * time.Millisecond // of a single put
	perfStddevMax  = 100 * time.Millisecond // of all puts
	perfKeyBytes   = 256
	perfValueBytes = 1024
)

func newPerf(s *shell.Shell) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "perf [options]",
		Short: "Write at a steady rate for a minute, and judge throughput and latency",
		RunE:  s.Run(f.perf),
	}
	f.register(cmd, "/etcdctl-check-perf/")
	return cmd
}

func (f *flags) perf(call *shell.Call) error {
	size, err := f.size()
	if err != nil {
		return err
	}
	load := perfLoads[size]
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, perfSeconds*time.Second)
	defer cancel()
	clients, err := f.clients(ctx, call, load.clients)
	if err != nil {
		return err
	}
	requests := make(chan struct{}, load.clients)
	go func() {
		defer close(requests)
		limit := rate.NewLimiter(rate.Limit(load.rate), 1)
		for limit.Wait(ctx) == nil {
			select {
			case requests <- struct{}{}:
			case <-ctx.Done():
			}
		}
	}()
	bar := progress.Count(call.Shell.Stderr, perfSeconds*load.rate)
	result := f.put(clients, requests, perfKeyBytes, perfValueBytes, bar.Add)
	bar.Finish()
	if err := f.clean(call, clients[0]); err != nil {
		call.Printf("FAIL: %v\n", err)
	}
	if !result.judge(call, load.rate) {
		call.Println("FAIL")
		return exit.Silently(exit.Failure)
	}
	call.Println("PASS")
	return nil
}

// judge prints what was reached and says whether all of it is enough.
func (m measured) judge(call *shell.Call, rate int) bool {
	good := !m.complain(call)
	perSecond := float64(len(m.took)) / m.total.Seconds()
	if perSecond <= perfRateMin*float64(rate) {
		call.Printf("FAIL: Throughput too low: %d writes/s\n", int(perSecond)+1)
		good = false
	} else {
		call.Printf("PASS: Throughput is %d writes/s\n", int(perSecond)+1)
	}
	if len(m.took) == 0 {
		return false
	}
	if slowest := slices.Max(m.took); slowest > perfSlowestMax {
		call.Printf("Slowest request took too long: %fs\n", slowest.Seconds())
		good = false
	} else {
		call.Printf("PASS: Slowest request took %fs\n", slowest.Seconds())
	}
	if deviation := m.stddev(); deviation > perfStddevMax.Seconds() {
		call.Printf("Stddev too high: %fs\n", deviation)
		good = false
	} else {
		call.Printf("PASS: Stddev is %fs\n", deviation)
	}
	return good
}

// stddev is the standard deviation of the times that puts took, in seconds.
func (m measured) stddev() float64 {
	n := float64(len(m.took))
	mean, squares := 0.0, 0.0
	for _, took := range m.took {
		mean += took.Seconds() / n
	}
	for _, took := range m.took {
		squares += (took.Seconds() - mean) * (took.Seconds() - mean)
	}
	return math.Sqrt(squares / n)
}
