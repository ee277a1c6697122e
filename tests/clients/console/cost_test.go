package console

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// Goal: with the console open by twenty people who watch what is written 5,000 times a second, puts cost little more of the server's processors: 3 % of the
// median of pairs. Method: seconds with and without twenty streams in turn, at a fixed rate, and what /proc says the server took. It takes two minutes
// and a quiet machine: QUORATE_TEST_COST=1 runs it.
func TestCostOfTwentyPages(t *testing.T) {
	if os.Getenv("QUORATE_TEST_COST") == "" {
		t.Skip("QUORATE_TEST_COST=1 runs it")
	}
	s := harness.Run(t)
	const rate, length, pairs = 5000, 8 * time.Second, 6
	measure := func(pages int) float64 {
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for range pages {
			request := watching("/load/")
			request.Series, request.Cluster = true, true
			running.Go(func() {
				stream, err := page(s, "").Live(ctx, request)
				if err != nil {
					return
				}
				for stream.Receive() {
				}
				_ = stream.Close()
			})
		}
		began := cpuSeconds(t, s.PID())
		load(t, s, rate, length)
		took := cpuSeconds(t, s.PID()) - began
		cancel()
		running.Wait()
		return took
	}
	measure(0) // warm
	var more []float64
	for i := range pairs {
		without, with := 0.0, 0.0
		if i%2 == 0 {
			without = measure(0)
			with = measure(20)
		} else {
			with = measure(20)
			without = measure(0)
		}
		more = append(more, with/without-1)
		t.Logf("without %.2f s, with %.2f s: %+.1f %%", without, with, 100*(with/without-1))
	}
	slices.Sort(more)
	median := (more[pairs/2-1] + more[pairs/2]) / 2
	t.Logf("median %+.1f %%", 100*median)
	require.LessOrEqual(t, median, 0.03)
}

// load puts at a rate, from a hundred callers.
func load(t *testing.T, s *harness.Server, rate int, length time.Duration) {
	t.Helper()
	client := harness.Client(t, s)
	turns := make(chan int, rate)
	var callers sync.WaitGroup
	value := strings.Repeat("v", 256)
	for range 100 {
		callers.Go(func() {
			for i := range turns {
				if _, err := client.Put(t.Context(), fmt.Sprintf("/load/%d", i%10_000), value); err != nil {
					t.Error(err)
				}
			}
		})
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began, sent := time.Now(), 0
	for now := range tick.C {
		for due := int(min(now.Sub(began), length).Seconds() * float64(rate)); sent < due; sent++ {
			turns <- sent
		}
		if now.Sub(began) >= length {
			break
		}
	}
	close(turns)
	callers.Wait()
}

// cpuSeconds is what a process has taken of the processors.
func cpuSeconds(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), ") ")
	var user, system float64
	_, err = fmt.Sscan(strings.Join(strings.Fields(rest)[11:13], " "), &user, &system)
	require.NoError(t, err)
	return (user + system) / 100 // ticks a second, on every Linux
}
