// Package bench holds the command that measures a store: how many requests it takes, and how long they take.
package bench

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/services/ctl/internal/exit"
	"github.com/quoratedb/quorate/services/ctl/internal/output"
	"github.com/quoratedb/quorate/services/ctl/internal/progress"
	"github.com/quoratedb/quorate/services/ctl/internal/shell"
)

// cleanTimeout is how long it may take to delete what was written.
const cleanTimeout = 30 * time.Second

// flags say how much is asked for, and how.
type flags struct {
	total       int
	rate        float64
	clients     int
	connections int
	keys        int
	keyBytes    int
	valueBytes  int
	prefix      string
	keep        bool
	serial      bool
	watches     int
}

// New is the command bench with the ones below it.
func New(s *shell.Shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench <subcommand>",
		Short: "Measure how many requests the store takes, and how long they take",
		Long: `Measure how many requests the store takes, and how long they take. What is written stands below --prefix, and is deleted afterwards.

Without --rate the loop is closed: each client sends its next request when the one before is answered, which shows how much the store can do. With --rate it is open: requests
are due at that rate whether or not earlier ones are answered, and each one's time counts from when it was due. So a store that stands still for a second shows in all the requests
that were due in it, and not in the few that were on their way.`,
	}
	cmd.AddCommand(
		newLoad(s, "put", "Write keys", putLoad),
		newLoad(s, "range", "Read keys, one at a time", rangeLoad),
		newLoad(s, "txn", "Compare, read and write a key in one transaction", txnLoad),
		newLoad(s, "watch", "Write keys that are watched, and measure how long events are on their way", watchLoad),
		newLoad(s, "lease", "Grant and revoke leases", leaseLoad),
	)
	return cmd
}

// load is what one kind of request does: it gets the clients ready, and returns what one request is.
type load func(ctx context.Context, f *flags, clients []*clientv3.Client, r *recorder) (request, error)

// request sends the request of a number, over a client, and times what is to be timed. It was due when it says.
type request func(ctx context.Context, client *clientv3.Client, number int, due time.Time) error

func newLoad(s *shell.Shell, name, short string, what load) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   name + " [options]",
		Short: short,
		Args:  cobra.NoArgs,
		RunE:  s.Run(func(call *shell.Call) error { return f.run(call, what) }),
	}
	set := cmd.Flags()
	set.IntVar(&f.total, "total", 10_000, "send this many requests")
	set.Float64Var(&f.rate, "rate", 0, "send this many a second, in an open loop (0: as many as the clients get answers to)")
	set.IntVar(&f.clients, "clients", 50, "have this many requests on their way at the most")
	set.IntVar(&f.connections, "connections", 5, "over this many connections")
	set.StringVar(&f.prefix, "prefix", "/quoratectl-bench/", "what keys begin with; there may be none yet")
	set.BoolVar(&f.keep, "keep", false, "leave what was written")
	if name != "lease" {
		set.IntVar(&f.keys, "keys", 1000, "use this many keys")
		set.IntVar(&f.keyBytes, "key-size", 32, "bytes of a key besides the prefix")
		set.IntVar(&f.valueBytes, "value-size", 256, "bytes of a value")
	}
	switch name {
	case "range":
		set.BoolVar(&f.serial, "serializable", false, "read what the member has, without asking the others")
	case "watch":
		set.IntVar(&f.watches, "watches", 100, "have this many watches, over all the keys")
	}
	return cmd
}

func (f *flags) check() error {
	for _, c := range []struct {
		name  string
		value int
	}{{"total", f.total}, {"clients", f.clients}, {"connections", f.connections}} {
		if c.value <= 0 {
			return exit.Withf(exit.Arguments, "--%s is %d: it is above 0", c.name, c.value)
		}
	}
	switch {
	case f.rate < 0 || f.keys < 0 || f.keyBytes < 0 || f.valueBytes < 0 || f.watches < 0:
		return exit.Withf(exit.Arguments, "no flag takes a number below 0")
	case f.prefix == "":
		return exit.Withf(exit.Arguments, "--prefix is empty: everything would be deleted afterwards")
	case f.valueBytes > 1<<20:
		return exit.Withf(exit.Arguments, "--value-size is %d: servers take 1.5 MiB a request", f.valueBytes)
	}
	return nil
}

func (f *flags) run(call *shell.Call, what load) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	config, err := call.Config()
	if err != nil {
		return err
	}
	clients := make([]*clientv3.Client, f.connections)
	for i := range clients {
		if clients[i], err = call.Dial(config); err != nil {
			return err
		}
	}
	ctx, stop := call.Interrupted()
	defer stop()
	if err := f.refuseKeys(call, clients[0]); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := newRecorder()
	send, err := what(ctx, f, clients, r)
	if err != nil {
		return exit.With(exit.Failure, call.Explain(err))
	}
	bar := progress.Count(call.Shell.Stderr, f.total)
	began := time.Now()
	f.loop(ctx, clients, r, send, bar.Add)
	took := time.Since(began)
	bar.Finish()
	r.finish()
	if !f.keep {
		if err := f.clean(clients[0]); err != nil {
			fmt.Fprintf(call.Shell.Stderr, "Warning: what was written below %q could not be deleted: %v\n", f.prefix, err)
		}
	}
	if err := call.Print(f.answer(r, took)); err != nil {
		return err
	}
	for _, text := range r.errors() {
		fmt.Fprintln(call.Shell.Stderr, "Error:", text)
	}
	if len(r.errors()) > 0 {
		return exit.Silently(exit.Failure)
	}
	return nil
}

// refuseKeys sees to it that nobody has keys where the bench writes.
func (f *flags) refuseKeys(call *shell.Call, client *clientv3.Client) error {
	ctx, cancel := call.Timeout()
	defer cancel()
	there, err := client.Get(ctx, f.prefix, clientv3.WithPrefix(), clientv3.WithLimit(1), clientv3.WithKeysOnly())
	if err != nil {
		return exit.With(exit.Failure, call.Explain(err))
	}
	if len(there.Kvs) > 0 {
		return exit.Withf(exit.Input, "there are keys below %q, which would be overwritten and deleted: name another --prefix, or delete them", f.prefix)
	}
	return nil
}

func (f *flags) clean(client *clientv3.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
	defer cancel()
	_, err := client.Delete(ctx, f.prefix, clientv3.WithPrefix())
	return err
}

// answer is a table, a row for each kind of request.
func (f *flags) answer(r *recorder, took time.Duration) output.Answer {
	loop := "closed loop"
	if f.rate > 0 {
		loop = fmt.Sprintf("open loop, %g a second", f.rate)
	}
	summaries := r.summaries(took)
	rows := output.Rows{Header: []string{"request", "count", "failed", "per second", "mean", "p50", "p90", "p99", "p99.9", "max"}}
	for _, s := range summaries {
		row := []string{s.Name, fmt.Sprint(s.Count), fmt.Sprint(s.Failed), fmt.Sprintf("%.0f", s.PerSecond)}
		for _, took := range []time.Duration{s.Mean, s.P50, s.P90, s.P99, s.P999, s.Max} {
			row = append(row, short(took))
		}
		rows.Rows = append(rows.Rows, row)
	}
	return output.Answer{
		JSON:  summaries,
		Table: func() output.Rows { return rows },
		Simple: func(t *output.Text) {
			t.Linef("%s, %d clients over %d connections, %v", loop, f.clients, f.connections, took.Round(time.Millisecond))
			for _, line := range append([][]string{rows.Header}, rows.Rows...) {
				var cells strings.Builder
				for n, cell := range line {
					width := 10
					if n == 0 {
						width = -10
					}
					fmt.Fprintf(&cells, "%*s ", width, cell)
				}
				t.Linef("%s", strings.TrimRight(cells.String(), " "))
			}
		},
	}
}

// short is a time with three digits.
func short(d time.Duration) string {
	switch {
	case d >= 100*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
