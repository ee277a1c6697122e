package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/monitoring"
	"github.com/quoratedb/quorate/tests/harness"
)

// writer writes a key after the other, as the user app, and knows which were acknowledged.
type writer struct {
	client *clientv3.Client
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	numbers []int
	refused error // why the last one was not
}

const (
	// writeEvery is how often one is written, writeWithin how long one may take.
	writeEvery, writeWithin = 20 * time.Millisecond, 3 * time.Second
)

func begin(secrets *tls.Config, endpoints []string) (*writer, error) {
	client, err := harness.DialAs("app", appPassword, secrets, endpoints...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &writer{client: client, cancel: cancel, ended: make(chan struct{})}
	go w.run(ctx)
	return w, nil
}

func (w *writer) run(ctx context.Context) {
	defer close(w.ended)
	ticker := time.NewTicker(writeEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		bounded, done := context.WithTimeout(ctx, writeWithin)
		_, err := w.client.Put(bounded, key(n), value(n))
		done()
		w.mu.Lock()
		if err == nil {
			w.numbers = append(w.numbers, n)
		}
		w.refused = err
		w.mu.Unlock()
	}
}

func key(n int) string   { return fmt.Sprintf("%s%08d", written, n) }
func value(n int) string { return "value of " + strconv.Itoa(n) }

func (w *writer) acknowledged() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.numbers)
}

// last is why the last write was refused, nil if it was not.
func (w *writer) last() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused
}

func (w *writer) known() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.numbers)
}

func (w *writer) stop() {
	w.cancel()
	<-w.ended
	_ = w.client.Close()
}

// missing says which of the acknowledged writes a store does not have.
func missing(ctx context.Context, client *clientv3.Client, numbers []int) error {
	has := map[string]string{}
	for from := written; ; {
		page, err := client.Get(ctx, from, clientv3.WithRange(clientv3.GetPrefixRangeEnd(written)), clientv3.WithLimit(2000))
		if err != nil {
			return err
		}
		for _, kv := range page.Kvs {
			has[string(kv.Key)] = string(kv.Value)
		}
		if !page.More {
			break
		}
		from = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
	}
	for _, n := range numbers {
		if has[key(n)] != value(n) {
			return fmt.Errorf("%s was acknowledged, and is %q", key(n), has[key(n)])
		}
	}
	return nil
}

// fired remembers which alerts have fired.
type fired struct {
	cancel context.CancelFunc
	ended  chan struct{}
	mu     sync.Mutex
	ever   map[string]bool
}

func observe(p *monitoring.Prometheus) *fired {
	ctx, cancel := context.WithCancel(context.Background())
	f := &fired{cancel: cancel, ended: make(chan struct{}), ever: map[string]bool{}}
	go func() {
		defer close(f.ended)
		ticker := time.NewTicker(500 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if now, err := p.Firing(ctx); err == nil {
				f.mu.Lock()
				maps.Copy(f.ever, now)
				f.mu.Unlock()
			}
		}
	}()
	return f
}

func (f *fired) stop() {
	f.cancel()
	<-f.ended
}

// names are all that have fired, in order.
func (f *fired) names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.ever))
}

// awaitAlert waits until an alert fires, or does not any more.
func (e *evening) awaitAlert(ctx context.Context, name string, fires bool) error {
	what := "the alert " + name + " fires"
	if !fires {
		what = "the alert " + name + " does not fire any more"
	}
	return e.await(ctx, what, func(ctx context.Context) (bool, error) {
		now, err := e.watcher.Firing(ctx)
		return err == nil && now[name] == fires, err
	})
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
