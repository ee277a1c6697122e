// Chaos runs a cluster of real servers on test hosts, breaks it while clients use it, and judges what they were shown.
//
//	make chaos SEED=1 DURATION=3m MEMBERS=3
//
// A run with ONLY=sabotage must fail: it shows that the checks notice a store that forgets.
//
// It needs Linux, root and ip (iproute2), and leaves nothing behind but the logs of a run that failed: hosts, disks and processes are in
// namespaces of their own, which end with it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/sandbox"
	"github.com/quoratedb/quorate/tests/harness"
)

// options are the command line.
type options struct {
	server   string
	other    string
	members  string
	seed     uint64
	duration time.Duration
	dir      string
	only     string
	failover int
}

func main() {
	var o options
	flag.StringVar(&o.server, "server", "bin/quorate", "the server to run, from the repository's root")
	flag.StringVar(&o.other, "other", "", "another build of the server, of the same or a newer source, to which members are swapped")
	flag.StringVar(&o.members, "members", "3,5", "how many members, a run for each number; with TLS where a number ends in tls")
	flag.Uint64Var(&o.seed, "seed", 0, "what chooses faults and operations; 0 takes a new one")
	flag.DurationVar(&o.duration, "duration", 3*time.Minute, "how long each run injects faults")
	flag.StringVar(&o.dir, "dir", "bin/chaos", "where the logs of members go")
	flag.StringVar(&o.only, "only", "", "inject only faults whose names match this regular expression")
	flag.IntVar(&o.failover, "failover", 0, "instead, lose the leader so many times in each way, of each -server in turn (a list), and measure")
	flag.Parse()
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	code, err := run(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(o options) (int, error) {
	if sandbox.Inside() {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		if err := sandbox.Prepare(); err != nil {
			return 1, err
		}
		if o.failover > 0 {
			return measure(ctx, o)
		}
		return inside(ctx, o)
	}
	var servers []string
	for _, server := range strings.Split(o.server, ",") {
		servers = append(servers, fromRoot(server))
		if _, err := os.Stat(fromRoot(server)); err != nil {
			return 1, err
		}
	}
	o.server, o.dir = strings.Join(servers, ","), fromRoot(o.dir)
	if o.other != "" {
		o.other = fromRoot(o.other)
		if _, err := os.Stat(o.other); err != nil {
			return 1, err
		}
	}
	if o.failover > 0 {
		return sandbox.Run(o.args()...)
	}
	worst := 0
	for _, members := range strings.Split(o.members, ",") {
		o.members = strings.TrimSpace(members)
		code, err := sandbox.Run(o.args()...)
		if err != nil {
			return 1, err
		}
		worst = max(worst, code)
	}
	return worst, nil
}

// args are the options as a command line.
func (o options) args() []string {
	return []string{
		"-server=" + o.server, "-other=" + o.other, "-members=" + o.members, "-seed=" + strconv.FormatUint(o.seed, 10),
		"-duration=" + o.duration.String(), "-dir=" + o.dir, "-only=" + o.only,
		"-failover=" + strconv.Itoa(o.failover),
	}
}

func fromRoot(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(harness.Root(), path)
}
