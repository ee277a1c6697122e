package console

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
	quoratev1 "github.com/quoratedb/quorate/pkg/gen/quorate/v1"
	"github.com/quoratedb/quorate/tests/harness"
)

// What TestCostOfTwentyPages measures: pairs of stretches. Pages are open for a while before a stretch begins.
const (
	costPages   = 20
	costOpening = 3 * time.Second
	costStretch = 10 * time.Second
	costRate    = 5000
)

// Goal: with the console open by twenty people who look at what is written 5,000 times a second, a put costs little more of the server's processors: 3 % of
// the mean of pairs. Method: two stores that get the same puts at the same time, so that what disks and compactions do is the same for both; twenty
// pages look at one and then at the other, at each in turn first, half of them at changes as they come and half at the keys, which they read again as the
// page does, one of them a browser where there is chromium; and the clock of each store's processor time. It wants a quiet machine, and half a minute a
// pair: QUORATE_TEST_COST says how many. Single pairs differ by several per cent.
func TestCostOfTwentyPages(t *testing.T) {
	pairs, err := strconv.Atoi(os.Getenv("QUORATE_TEST_COST"))
	if err != nil {
		t.Skip("QUORATE_TEST_COST is how many pairs it measures")
	}
	stores := []*harness.Server{harness.Run(t), harness.Run(t)}
	done := []*atomic.Int64{load(t, stores[0], costRate), load(t, stores[1], costRate)}
	// ratio is what a put costs the one store with pages, by what it costs the other without.
	ratio := func(looked, pages int) float64 {
		closePages := openPages(t, stores[looked], pages)
		defer closePages()
		<-time.After(costOpening)
		var puts, took [2]float64
		for i, s := range stores {
			puts[i], took[i] = -float64(done[i].Load()), -cpuSeconds(t, s.PID())
		}
		<-time.After(costStretch)
		for i, s := range stores {
			puts[i], took[i] = puts[i]+float64(done[i].Load()), took[i]+cpuSeconds(t, s.PID())
		}
		other := 1 - looked
		t.Logf("%2d pages: %.1f µs a put at %.0f/s; without: %.1f µs at %.0f/s", pages,
			1e6*took[looked]/puts[looked], puts[looked]/costStretch.Seconds(), 1e6*took[other]/puts[other], puts[other]/costStretch.Seconds())
		return took[looked] / puts[looked] * puts[other] / took[other]
	}
	t.Logf("two stores without pages differ by %+.1f %%", 100*(ratio(0, 0)-1))
	var sum, squares float64
	for i := range pairs {
		first := i % 2
		more := 100 * (math.Sqrt(ratio(first, costPages)*ratio(1-first, costPages)) - 1)
		t.Logf("%+.2f %%", more)
		sum, squares = sum+more, squares+more*more
	}
	n := float64(pairs)
	mean := sum / n
	t.Logf("twenty pages cost %+.2f %%, with a standard error of %.2f %%", mean, math.Sqrt((squares/n-mean*mean)/(n-1)))
	require.LessOrEqual(t, mean, 3.0)
}

// openPages has so many pages watch what is written. They are gone when what it returns has returned, which fails for one that has seen nothing.
func openPages(t *testing.T, s *harness.Server, pages int) (closePages func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	if program, err := exec.LookPath("chromium"); err == nil && pages > 0 {
		pages--
		browser := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
			"--user-data-dir="+t.TempDir(), s.URL()+"/console/#/keys?key=/load/1")
		browser.Cancel = func() error { return browser.Process.Signal(syscall.SIGTERM) } // it takes its children with it
		running.Go(func() {
			if err := browser.Run(); ctx.Err() == nil {
				t.Errorf("the browser has ended: %v", err)
			}
		})
	}
	for i := range pages {
		request := watching("/load/")
		if request.Series, request.Cluster = true, true; i%2 == 0 {
			request = followedKeys("/load/", "/load/1")
			running.Go(func() { readAgain(ctx, t, s) })
		}
		running.Go(func() {
			stream, err := page(s, "").Live(ctx, request)
			if err != nil {
				t.Error(err)
				return
			}
			passedOver := 0
			for stream.Receive() {
				if stream.Msg().GetEvents().GetPassedOverTo() != 0 {
					passedOver++
				}
			}
			_ = stream.Close()
			if passedOver == 0 {
				t.Error("a page has seen nothing that it could not show")
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// followedKeys is what the page of the keys wants to hear of.
func followedKeys(prefix, key string) *consolev1.LiveRequest {
	r := watching(prefix, key)
	for _, w := range r.Watches {
		w.PrevKv, w.WithoutValues, w.EventsPerSecond = false, true, 5
	}
	r.Watches[1].RangeEnd = nil
	return r
}

// readAgain reads what the page of the keys shows as often as it does where all of it changes: the key every second, the tree and a count every five.
func readAgain(ctx context.Context, t *testing.T, s *harness.Server) {
	client := harness.Client(t, s)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		_, err := client.Get(ctx, "/load/1")
		if err == nil && n%5 == 0 {
			request := &quoratev1.ChildrenRequest{Prefix: []byte("/load/"), Delimiter: []byte("/"), Limit: 250, Count: true}
			err = client.ActiveConnection().Invoke(ctx, "/quorate.v1.InspectService/Children", request, &quoratev1.ChildrenResponse{})
		}
		if err != nil && ctx.Err() == nil {
			t.Error(err)
			return
		}
	}
}

// load puts at a rate, from a hundred callers, until the test ends. It returns how many are done.
func load(t *testing.T, s *harness.Server, rate int) (done *atomic.Int64) {
	t.Helper()
	client := harness.Client(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	done, turns, value := new(atomic.Int64), make(chan int, rate), strings.Repeat("v", 256)
	var running sync.WaitGroup
	for range 100 {
		running.Go(func() {
			for i := range turns {
				if _, err := client.Put(ctx, fmt.Sprintf("/load/%d", i%10_000), value); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				done.Add(1)
			}
		})
	}
	running.Go(func() {
		defer close(turns)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for began, sent := time.Now(), 0; ; {
			select {
			case now := <-tick.C:
				for due := int(now.Sub(began).Seconds() * float64(rate)); sent < due; sent++ {
					select {
					case turns <- sent:
					case <-ctx.Done():
						return
					}
				}
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return done
}

// cpuSeconds is what a process has taken of the processors, to the nanosecond.
func cpuSeconds(t *testing.T, pid int) float64 {
	t.Helper()
	const ofProcess = 2 // CPUCLOCK_SCHED: what the scheduler has counted for all its threads
	var took unix.Timespec
	require.NoError(t, unix.ClockGettime(int32(^pid<<3|ofProcess), &took))
	return time.Duration(took.Nano()).Seconds()
}
