package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

const (
	// answerWithin is how long a client waits before an operation counts as unanswered.
	answerWithin = 2 * time.Second
	// patientlyWithin is how long a patient client waits: longer than any server may take, which is 5 s and two elections, on a busy machine.
	patientlyWithin = 15 * time.Second
	// pauseMax bounds the random time between two operations of a client.
	pauseMax = 40 * time.Millisecond
	// pauseAfterError keeps a client of a dead member from spinning.
	pauseAfterError = 50 * time.Millisecond
	// keysAtOnce is how many keys are in use: few, so that clients meet.
	keysAtOnce = 6
	// epochLength is how long they are: after it come new ones, so that the history of one key stays short enough to search.
	epochLength = 8 * time.Second
)

// client makes one operation after the other.
type client struct {
	id       int
	endpoint string
	etcd     *clientv3.Client
	random   *rand.Rand
	begin    time.Time
	patience time.Duration
	values   int
	// latest are the revisions at which it has last seen keys modified.
	latest   map[string]int64
	made     []history.Operation
	failures []history.Failure
}

func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		op := c.choose(epochPrefix(keyPrefix, time.Since(c.begin)))
		pause := time.Duration(c.random.Int64N(int64(pauseMax)))
		if !c.call(op) {
			pause = pauseAfterError
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// call makes an operation and records it. It reports whether it was answered.
func (c *client) call(op history.Operation) bool {
	timeUp, err := c.try(&op)
	return c.keep(op, timeUp, err)
}

// try makes an operation. timeUp says that the client would wait no longer.
func (c *client) try(op *history.Operation) (timeUp bool, err error) {
	// The end of the run does not cut operations short: each that is cut would be one with an unknown outcome.
	ctx, cancel := context.WithTimeout(context.Background(), c.patience)
	defer cancel()
	op.Client, op.Endpoint = c.id, c.endpoint
	op.Call = time.Since(c.begin)
	err = perform(ctx, c.etcd, op)
	op.Return = time.Since(c.begin)
	return ctx.Err() != nil, err
}

// keep records an operation that was tried. It reports whether it was answered.
func (c *client) keep(op history.Operation, timeUp bool, err error) bool {
	c.failed("operation", op.Call, err, timeUp)
	if err != nil {
		op.Outcome = history.Unknown
		if op.Mutates() {
			c.made = append(c.made, op)
		}
		return false
	}
	for _, result := range op.Results {
		for _, entry := range result.Entries {
			c.latest[entry.Key] = entry.Mod
		}
	}
	for _, step := range op.Taken() {
		if step.Kind == history.Put {
			c.latest[step.Key] = op.Revision
		}
	}
	c.made = append(c.made, op)
	return true
}

// failed records that a request ended in an error, if it did. timeUp says that the client would wait no longer.
func (c *client) failed(request string, call time.Duration, err error, timeUp bool) {
	if err == nil {
		return
	}
	// A server that was told how long the client waits may be the first to say so.
	if timeUp = timeUp || time.Since(c.begin)-call >= c.patience; timeUp {
		err = context.DeadlineExceeded // however the library puts it
	}
	failure := history.Failure{Request: request, Call: call, Return: time.Since(c.begin), Error: err, Abandoned: timeUp && c.patience == patientlyWithin}
	if c.endpoint != all {
		failure.Endpoint = c.endpoint
	}
	c.failures = append(c.failures, failure)
}

// epochPrefix begins the keys that are in use at a time, among those that begin with prefix.
func epochPrefix(prefix string, at time.Duration) string {
	return fmt.Sprintf("%s%04d/", prefix, at/epochLength)
}

// choose makes up the next operation, all of it under a prefix.
func (c *client) choose(prefix string) history.Operation {
	order := c.random.Perm(keysAtOnce)
	key := func(i int) string { return fmt.Sprintf("%sk%d", prefix, order[i]) }
	a, b, d := key(0), key(1), key(2)
	switch p := c.random.IntN(100); {
	case p < 22:
		return history.Operation{Then: []history.Step{{Kind: history.Get, Key: a}}}
	case p < 28:
		return history.Operation{Then: []history.Step{{Kind: history.Get, Key: a}}, Serializable: true}
	case p < 33:
		return history.Operation{Then: []history.Step{{Kind: history.Get, Key: prefix, Prefix: true}}}
	case p < 58:
		return history.Operation{Then: []history.Step{c.put(a)}}
	case p < 65:
		return history.Operation{Then: []history.Step{{Kind: history.Delete, Key: a}}}
	case p < 67:
		return history.Operation{Then: []history.Step{{Kind: history.Delete, Key: prefix, Prefix: true}}}
	case p < 84: // swap
		return history.Operation{
			Conditions: []history.Condition{{Key: a, Mod: c.latest[a]}},
			Then:       []history.Step{c.put(a)},
			Else:       []history.Step{{Kind: history.Get, Key: a}},
		}
	case p < 92: // move
		return history.Operation{Then: []history.Step{c.put(a), {Kind: history.Delete, Key: b}, {Kind: history.Get, Key: d}}}
	default: // both or neither
		return history.Operation{
			Conditions: []history.Condition{{Key: a, Mod: c.latest[a]}, {Key: b, Mod: c.latest[b]}},
			Then:       []history.Step{c.put(a), c.put(b)},
			Else:       []history.Step{{Kind: history.Get, Key: a}, {Kind: history.Get, Key: b}, c.put(d)},
		}
	}
}

func (c *client) put(key string) history.Step {
	c.values++
	return history.Step{Kind: history.Put, Key: key, Value: fmt.Sprintf("%d-%d", c.id, c.values)}
}
