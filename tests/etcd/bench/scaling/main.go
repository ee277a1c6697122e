// Command scaling measures what watchers cost, and where: one member, one lease node, and one, two and four watch nodes
// with two API nodes, all as processes on this machine, and thousands of watchers. One API node is for those who put, the
// other for those who watch. It prints the CPU that each kind of node spends on a put and on a delivered event, and what a
// put takes.
//
// The watchers and their API node run at a low priority: where there are machines enough they are not on that of the
// store either.
//
//	make scaling NODES=1,2,4 WATCHERS=10000
//
// On a machine with few cores rates say little, for everything shares them. What a node spends on its part does not
// depend on that: docs/scaling.md turns it into a model of many machines, and says what of it is measured.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

// options say how much is measured.
type options struct {
	bin       string
	nodes     []int
	watchers  int
	hotPuts   int // puts that every watcher is told of
	ownPuts   int // puts that one watcher is told of, or nobody
	putters   int // clients that put, one put at a time each
	valueSize int
	idle      time.Duration // how long nothing happens, to see what nodes spend then

	audience listeners // what a process that listens is told
}

func main() {
	o := options{}
	var nodes string
	flag.StringVar(&o.bin, "bin", "bin", "Folder with the programs of the services.")
	flag.StringVar(&nodes, "nodes", "1,2,4", "How many watch nodes.")
	flag.IntVar(&o.watchers, "watchers", 10_000, "How many watchers.")
	flag.IntVar(&o.hotPuts, "hot-puts", 200, "Puts below the prefix that all watchers watch.")
	flag.IntVar(&o.ownPuts, "own-puts", 20_000, "Puts of keys that one watcher each watches, and of keys that nobody does.")
	flag.IntVar(&o.putters, "putters", 8, "Clients that put.")
	flag.IntVar(&o.valueSize, "value", 256, "Bytes of a value.")
	flag.DurationVar(&o.idle, "idle", 10*time.Second, "How long to look at nodes that have nothing to do.")
	flag.StringVar(&o.audience.endpoint, "audience", "", "Only listen, at this endpoint: what the program starts itself for.")
	flag.BoolVar(&o.audience.hot, "audience-hot", false, "All of them listen to the hot prefix.")
	flag.Int64Var(&o.audience.events, "audience-events", 0, "How many events they are to hear.")
	flag.Parse()
	for text := range strings.SplitSeq(nodes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			fmt.Fprintf(os.Stderr, "-nodes=%s: numbers are wanted\n", nodes)
			os.Exit(2)
		}
		o.nodes = append(o.nodes, n)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if o.audience.endpoint != "" {
		o.audience.watchers = o.watchers
		err = o.audience.listen(ctx)
	} else {
		err = run(ctx, &o)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	fmt.Printf("CPU in microseconds, less what a node spends when nothing happens; put latency in milliseconds, %d clients; values of %d bytes.\n\n", o.putters, o.valueSize)
	fmt.Println("| watch nodes | watchers | puts | seconds | events | consensus, a put | ingesting watch node, a put | each other watch node, a put | API node of the writers, a put | API node of the watchers, an event | put p50 | put p99 |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, n := range o.nodes {
		if err := measureStack(ctx, o, n); err != nil {
			return fmt.Errorf("%d watch nodes: %w", n, err)
		}
	}
	return nil
}

func measureStack(ctx context.Context, o *options, watchNodes int) error {
	s, err := startStack(ctx, o.bin, watchNodes)
	if err != nil {
		return err
	}
	defer s.stop()
	idle, err := s.idle(ctx, o)
	if err != nil {
		return err
	}
	fmt.Println(idle.idleRow(watchNodes))
	for _, c := range []scenario{
		{name: "none", puts: o.ownPuts},
		{name: fmt.Sprintf("%d, each its own key", o.watchers), watchers: o.watchers, puts: o.ownPuts, reach: 1},
		{name: fmt.Sprintf("%d, one hot prefix", o.watchers), watchers: o.watchers, hot: true, puts: o.hotPuts, reach: o.watchers},
	} {
		r, err := s.measure(ctx, o, c)
		if err != nil {
			return fmt.Errorf("watchers: %s: %w", c.name, err)
		}
		fmt.Println(r.less(idle).row(watchNodes, c))
	}
	return nil
}
