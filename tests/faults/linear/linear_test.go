package linear

import (
	"context"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	clients = 8
	// opsDefault keeps the search for an order within seconds.
	opsDefault = 4000
	// unansweredMax bounds the operations without an answer, each of which the search may place anywhere after its call.
	unansweredMax = 120
	// pauseBetween is how long a client waits before it tries a server again that is down.
	pauseBetween = 20 * time.Millisecond
	// searchWithin bounds the search; a history that takes longer is no verdict and fails.
	searchWithin = 2 * time.Minute
)

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	return n
}

// record runs concurrent clients until they have made ops operations in all, or too many went unanswered, with faults beside them.
func record(t *testing.T, ops int, faults func(context.Context, *harness.Server) error) []porcupine.Operation {
	seed := number(t, "QUORATE_SEED", uint64(time.Now().UnixNano()))
	t.Logf("QUORATE_SEED=%d", seed)
	server := harness.Run(t)
	begin := time.Now()
	var made, unanswered atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	var calling errgroup.Group
	var all []*client
	for id := range clients {
		c, err := newClient(id, seed, server.Endpoint(), begin)
		require.NoError(t, err)
		t.Cleanup(func() { c.etcd.Close() })
		all = append(all, c)
		calling.Go(func() error {
			for made.Add(1) <= int64(ops) && unanswered.Load() < unansweredMax {
				answered, err := c.call()
				if err != nil {
					return err
				}
				if !answered {
					unanswered.Add(1)
					<-time.After(pauseBetween)
				}
			}
			return nil
		})
	}
	failing := make(chan error, 1)
	go func() { failing <- faults(ctx, server) }()
	require.NoError(t, calling.Wait())
	stop()
	require.NoError(t, <-failing)
	end := int64(time.Since(begin))
	var history []porcupine.Operation
	for _, c := range all {
		for _, op := range c.history {
			if op.Output.(output).unknown {
				op.Return = end
			}
			history = append(history, op)
		}
	}
	t.Logf("%d operations, %d without an answer", len(history), unanswered.Load())
	recalled, err := recall(harness.Context(t), all[0].etcd)
	require.NoError(t, err)
	return recalled.resolve(history)
}

// check looks for the order, and leaves a picture of a history that has none.
func check(t *testing.T, history []porcupine.Operation) {
	t.Helper()
	result, info := porcupine.CheckOperationsVerbose(model, history, searchWithin)
	if result == porcupine.Ok {
		return
	}
	file, err := os.CreateTemp("", "quorate-linear-*.html")
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, porcupine.Visualize(model, info, file))
	require.Equal(t, porcupine.Ok, result, "no order explains the history, see %s", file.Name())
}

// Goal: puts, gets, deletes and transactions of concurrent clients are linearizable. Method: one history without faults.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	check(t, record(t, int(number(t, "QUORATE_LINEAR_OPS", opsDefault)), func(context.Context, *harness.Server) error { return nil }))
}

// Goal: they are so across crashes and stalls too. Method: the member is killed, or stopped for a moment, while the clients go on.
func TestLinearizableAcrossCrashes(t *testing.T) {
	t.Parallel()
	check(t, record(t, int(number(t, "QUORATE_LINEAR_OPS", opsDefault)), func(ctx context.Context, server *harness.Server) error {
		for fault := 0; ; fault++ {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(400 * time.Millisecond):
			}
			if fault%4 == 3 {
				if err := server.Pause(); err != nil {
					return err
				}
				<-time.After(100 * time.Millisecond)
				if err := server.Resume(); err != nil {
					return err
				}
				continue
			}
			server.Kill()
			if err := server.Start(context.Background()); err != nil {
				return err
			}
		}
	}))
}

// Goal: the model itself tells right from wrong. Method: small histories that no store may give.
func TestModelRefuses(t *testing.T) {
	first := entry{value: 1, mod: 2, version: 1}
	op := func(id int, in input, call int64, out output, back int64) porcupine.Operation {
		return porcupine.Operation{ClientId: id, Input: in, Call: call, Output: out, Return: back}
	}
	putFirst := op(0, input{kind: put, value: 1}, 0, output{revision: 2}, 10)
	for name, c := range map[string]struct {
		history []porcupine.Operation
		ok      bool
	}{
		"read after write": {[]porcupine.Operation{putFirst, op(1, input{kind: get}, 20, output{revision: 2, entries: [keys]entry{first}}, 30)}, true},
		"stale read":       {[]porcupine.Operation{putFirst, op(1, input{kind: get}, 20, output{revision: 1}, 30)}, false},
		"concurrent read":  {[]porcupine.Operation{putFirst, op(1, input{kind: get}, 5, output{revision: 1}, 30)}, true},
		"lost write": {[]porcupine.Operation{
			putFirst, op(1, input{kind: put, key: 1, value: 2}, 20, output{revision: 2}, 30),
		}, false},
		"unanswered write seen": {[]porcupine.Operation{
			op(0, input{kind: put, value: 1}, 0, output{unknown: true}, 100),
			op(1, input{kind: get}, 20, output{revision: 2, entries: [keys]entry{first}}, 30),
		}, true},
		"two winners of a swap": {[]porcupine.Operation{
			op(0, input{kind: swap, value: 1}, 0, output{revision: 2, swapped: true}, 10),
			op(1, input{kind: swap, value: 2}, 0, output{revision: 3, swapped: true}, 10),
		}, false},
	} {
		require.Equal(t, c.ok, porcupine.CheckOperations(model, c.history), name)
	}
}
