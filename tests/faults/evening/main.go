// Evening is what an operator's bad evening is made of, told as it goes: three members with TLS and users, watched by Prometheus with our alerts,
// while a client writes all the time. A disk fills, a member dies and is replaced, one moves, certificates rotate, a snapshot is restored, an upgrade rolls through. It ends
// with an error where an alert did not fire that should have, where one fired that should not, or where an acknowledged write is lost.
//
//	make evening
//
// It needs root, for a disk of its own, and Debian's package prometheus. How long an alert waits is shortened to seconds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/quoratedb/quorate/tests/harness"
)

// options are the command line.
type options struct{ server, other, tools, prometheus string }

func main() {
	var o options
	bin := filepath.Join(harness.Root(), "bin")
	flag.StringVar(&o.server, "server", filepath.Join(bin, "quorate"), "the server")
	flag.StringVar(&o.other, "other", filepath.Join(bin, "other", "quorate"), "the server that it is upgraded to")
	flag.StringVar(&o.tools, "tools", bin, "the folder of quorateutl")
	flag.StringVar(&o.prometheus, "prometheus", "prometheus", "Prometheus")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "evening: %v\n", err)
		os.Exit(1)
	}
	fmt.Printf("the evening is over, after %s: nothing was lost\n", time.Since(began).Round(time.Second))
}

// run goes through the evening.
func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "quorate-evening-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	e := &evening{options: o, dir: dir, began: time.Now()}
	defer func() { err = errors.Join(err, e.close()) }()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"three members begin, with TLS and users", e.begin},
		{"a client writes, and Prometheus watches", e.watch},
		{"the disk of a follower fills, and is cleared", e.diskFills},
		{"a member dies with its data, and is replaced", e.memberDies},
		{"leadership is moved, and a member moves to other ports", e.memberMoves},
		{"certificates rotate, without a restart", e.certificatesRotate},
		{"a snapshot is taken, and restored beside the cluster", e.snapshotIsRestored},
		{"an upgrade rolls through", e.upgradeRolls},
		{"every acknowledged write is there, and only what should has fired", e.judge},
	} {
		e.say("%s", step.name)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}
