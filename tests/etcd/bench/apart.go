package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/quoratedb/quorate/tests/harness"
)

// What the cut between the services costs: the first column is one process, the second the same services as processes of
// their own on this machine, one node each, behind one API node. Both run our binaries. Calls between them travel in
// batches, so that the cost falls as the load grows.
var apartCases = []benchCase{
	{name: "apart-put-1", title: "services apart (first column: one process): put, 1 client", unit: "put/s", before: putWith(1, 1, 3_000), run: apart(putWith(1, 1, 3_000))},
	{name: "apart-put-100", title: "services apart (first column: one process): put, 100 clients", unit: "put/s", before: putWith(100, 100, 60_000), run: apart(putWith(100, 100, 60_000))},
	{name: "apart-put-1000", title: "services apart (first column: one process): put, 1000 clients on 100 connections", unit: "put/s", before: putWith(1000, 100, 100_000), run: apart(putWith(1000, 100, 100_000))},
	{name: "apart-range", title: "services apart (first column: one process): linearizable range of one key, 1000 clients", unit: "range/s", before: rangeOne("l"), run: apart(rangeOne("l"))},
	{name: "apart-keepalive", title: "services apart (first column: one process): lease keep-alive, 100 clients", unit: "keep-alive/s", before: keepAlive, run: apart(keepAlive)},
}

// apart runs a case on services that run apart, in place of the one process.
func apart(run func(*trial) error) func(*trial) error {
	return func(t *trial) (err error) {
		one := t.only()
		one.Kill()
		services := harness.NewApart(harness.ApartConfig{
			Programs: filepath.Dir(one.Binary()), DataDir: filepath.Join(one.DataDir(), "apart"),
			Sizes: harness.Sizes{Consensus: 1, Lease: 1, Watch: 1, API: 1},
		})
		defer func() {
			if err != nil {
				services.All().Kill()
			}
		}()
		if err := services.Start(t.ctx); err != nil {
			return errors.Join(errors.New("start the services apart"), err)
		}
		if err := awaitIngester(t.ctx, services.Watch); err != nil {
			return err
		}
		// From here on they are the members: what they use is counted, and killed at the end.
		t.members, t.serving = services.All(), services.API
		return run(t)
	}
}

const (
	// ingests is what a watch node says once it is told of every commit, some seconds after it is ready: until then a put takes less of the
	// services' time than ever after.
	ingests = "this watch node ingests the commit feed now"
	// ingestsWithin bounds the wait for that, and ingestsPoll is how often it is looked for.
	ingestsWithin, ingestsPoll = 30 * time.Second, 50 * time.Millisecond
)

func awaitIngester(ctx context.Context, watches harness.Cluster) error {
	ctx, cancel := context.WithTimeoutCause(ctx, ingestsWithin, errors.New("no watch node ingests the commit feed"))
	defer cancel()
	for {
		for _, one := range watches {
			if strings.Contains(one.Output(), ingests) {
				return nil
			}
		}
		if pause(ctx, ingestsPoll) != nil {
			return context.Cause(ctx)
		}
	}
}
