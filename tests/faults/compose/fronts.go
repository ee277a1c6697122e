package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/compose/stack"
	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// frontKeys begins the keys of writes while a front is gone.
	frontKeys = "fronts/"
	// typedKey is written by etcdctl. It begins as v2's files do.
	typedKey = "/fronts/typed"
	// goneWrites is how many writes are answered while one front is gone, and again while it is back.
	goneWrites = 200
	// writeWithin is how long a client tries a write again, lookWithin how long a watcher may take to see all, stallMax the longest time that a client which
	// knows both fronts may be without an answer when one of them goes.
	writeWithin, lookWithin, stallMax = 10 * time.Second, 20 * time.Second, 3 * time.Second
)

// frontsTakeOver kills one front after the other under clients that know both: a writer, a watcher, a lease and etcdctl. None may be held up for longer
// than a moment, no acknowledged write may be lost, no event missing or doubled, and the lease must live.
func frontsTakeOver(ctx context.Context, containers []*stack.Container) error {
	client, err := harness.Dial(endpoint, secondEndpoint)
	if err != nil {
		return err
	}
	defer client.Close()
	w := &bothFronts{client: client}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	lease, err := client.Grant(ctx, 5)
	if err != nil {
		return err
	}
	alive, err := client.KeepAlive(ctx, lease.ID)
	if err != nil {
		return err
	}
	if _, err := client.Put(ctx, frontKeys+"held", "", clientv3.WithLease(lease.ID)); err != nil {
		return err
	}
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		for range alive {
		}
	}()
	events := client.Watch(ctx, frontKeys+"write/", clientv3.WithPrefix())
	killed := 0
	for _, c := range containers {
		if kind(c.Service) != "front" {
			continue
		}
		killed++
		if err := w.without(ctx, c); err != nil {
			return fmt.Errorf("%s killed: %w", c.Service, err)
		}
	}
	if killed != 2 {
		return fmt.Errorf("there are %d fronts", killed)
	}
	if err := w.seen(ctx, events); err != nil {
		return err
	}
	if err := w.kept(ctx); err != nil {
		return err
	}
	for _, at := range []string{endpoint, "localhost:4001", secondEndpoint, "localhost:24001"} {
		if said, err := fetch(ctx, "http://"+at+"/v2/keys"+typedKey); err != nil || !strings.Contains(said, `"value":"by hand"`) {
			return fmt.Errorf("v2 at %s: %w: %s", at, err, said)
		}
	}
	select {
	case <-renewed:
		return errors.New("the lease has ended")
	default:
	}
	fmt.Printf("fronts killed in turn: %d writes by clients that know both, none lost, each seen once and in order; longest without an answer %.1f s\n", len(w.acknowledged), w.longest.Seconds())
	return nil
}

// bothFronts writes by way of both fronts.
type bothFronts struct {
	client       *clientv3.Client
	acknowledged []string
	longest      time.Duration
}

// without kills a front, writes, and starts it again.
func (w *bothFronts) without(ctx context.Context, c *stack.Container) error {
	ended := make(chan error, 1)
	go func() { ended <- c.Kill(ctx) }() // while writes are under way
	err := errors.Join(w.write(ctx), <-ended)
	if err == nil {
		err = w.write(ctx)
	}
	if err == nil {
		err = w.etcdctl(ctx)
	}
	if err := errors.Join(err, c.Start(ctx)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, recoveredWithin)
	defer cancel()
	return errors.Join(again(ctx, c.Healthy), w.write(ctx))
}

// write writes keys one after the other. One that was not answered is tried again under the same name, as it may have been written.
func (w *bothFronts) write(ctx context.Context) error {
	for range goneWrites {
		key := fmt.Sprintf("%swrite/%06d", frontKeys, len(w.acknowledged))
		begin := time.Now()
		one, cancel := context.WithTimeout(ctx, writeWithin)
		err := again(one, func(ctx context.Context) error {
			_, err := w.client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).Then(clientv3.OpPut(key, "")).Commit()
			return err
		})
		cancel()
		if err != nil {
			return err
		}
		w.acknowledged = append(w.acknowledged, key)
		if w.longest = max(w.longest, time.Since(begin)); w.longest > stallMax {
			return fmt.Errorf("%s was written after %v, and %v is allowed", key, w.longest, stallMax)
		}
	}
	return nil
}

// etcdctl has etcd's own tool write and read by way of both fronts.
func (w *bothFronts) etcdctl(ctx context.Context) error {
	path, err := harness.Peer("etcdctl")
	if err != nil {
		return err
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"put", typedKey, "by hand"}, "OK\n"},
		{[]string{"get", typedKey, "--print-value-only"}, "by hand\n"},
	} {
		for _, order := range []string{endpoint + "," + secondEndpoint, secondEndpoint + "," + endpoint} {
			out, err := exec.CommandContext(ctx, path, append([]string{"--endpoints", order}, c.args...)...).CombinedOutput()
			if err != nil || string(out) != c.want {
				return fmt.Errorf("etcdctl --endpoints %s %s: %w: %s", order, strings.Join(c.args, " "), err, out)
			}
		}
	}
	return nil
}

// seen waits until the watcher has had all writes, each once and in their order.
func (w *bothFronts) seen(ctx context.Context, events clientv3.WatchChan) error {
	deadline := time.NewTimer(lookWithin)
	defer deadline.Stop()
	for n := 0; n < len(w.acknowledged); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return fmt.Errorf("the watcher has had %d of %d events", n, len(w.acknowledged))
		case answer, open := <-events:
			if err := answer.Err(); err != nil || !open {
				return fmt.Errorf("the watch has ended: %w", err)
			}
			for _, event := range answer.Events {
				if n == len(w.acknowledged) || string(event.Kv.Key) != w.acknowledged[n] {
					return fmt.Errorf("event %d is of %s", n, event.Kv.Key)
				}
				n++
			}
		}
	}
	return nil
}

// kept says which of the writes are not there.
func (w *bothFronts) kept(ctx context.Context) error {
	there, err := w.client.Get(ctx, frontKeys, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return err
	}
	var keys []string
	for _, kv := range there.Kvs {
		keys = append(keys, string(kv.Key))
	}
	for _, key := range append([]string{frontKeys + "held"}, w.acknowledged...) {
		if _, found := slices.BinarySearch(keys, key); !found {
			return fmt.Errorf("%s was acknowledged, and is not there", key)
		}
	}
	return nil
}
