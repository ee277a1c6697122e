package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/chaos/history"
	"github.com/quoratedb/quorate/tests/harness"
)

const (
	// keyPrefix and leasePrefix begin the keys of clients and of leases.
	keyPrefix, leasePrefix = "key/", "lease/"
	// endSuffix names the last key that is written under a prefix, which tells watchers that there is no more.
	endSuffix = "~end"
	// clientsPerMember use one endpoint each, clientsOfAll use all.
	clientsPerMember, clientsOfAll = 2, 2
	// FinishWithin is how long watchers may take to get the last events from an undisturbed cluster.
	FinishWithin = 30 * time.Second
)

// Record is what a run has left.
type Record struct {
	Operations []history.Operation
	Watchers   []history.Watcher
	Leases     []history.Lease
}

// Workload is a set of clients. New, Start, Finish, and Close if not finished, are called once and in this order.
type Workload struct {
	begin    time.Time
	etcds    []*clientv3.Client // one for each endpoint, then the one of all
	clients  []*client
	holders  []*holder
	watchers []*watcher

	stopWriting, stopWatching context.CancelFunc
	writing, watching         sync.WaitGroup
}

// New connects clients to endpoints. Their times count from begin; the seed makes their choices.
func New(endpoints []string, seed uint64, begin time.Time) (*Workload, error) {
	w := &Workload{begin: begin}
	for i := range len(endpoints) + 1 {
		one := endpoints
		if i < len(endpoints) {
			one = endpoints[i : i+1]
		}
		etcd, err := harness.Dial(one...)
		if err != nil {
			w.closeClients()
			return nil, err
		}
		w.etcds = append(w.etcds, etcd)
	}
	single, all := w.etcds[:len(endpoints)], w.etcds[len(endpoints)]
	newClient := func(etcd *clientv3.Client, label string) client {
		id := len(w.clients) + len(w.holders)
		return client{id: id, endpoint: label, etcd: etcd, random: rand.New(rand.NewPCG(seed, uint64(id))), begin: begin, latest: map[string]int64{}}
	}
	for i, etcd := range single {
		for range clientsPerMember {
			c := newClient(etcd, endpoints[i])
			w.clients = append(w.clients, &c)
		}
		w.holders = append(w.holders, &holder{client: newClient(etcd, endpoints[i])})
		w.watch(seed, fmt.Sprintf("stays at %s", endpoints[i]), "", false, etcd)
	}
	for range clientsOfAll {
		c := newClient(all, "all")
		w.clients = append(w.clients, &c)
		w.holders = append(w.holders, &holder{client: newClient(all, "all")})
	}
	w.watch(seed, "moves, keys", keyPrefix, true, single...)
	w.watch(seed, "moves, leases", leasePrefix, true, single...)
	w.watch(seed, "uses all", keyPrefix, false, all)
	return w, nil
}

func (w *Workload) watch(seed uint64, name, prefix string, moves bool, clients ...*clientv3.Client) {
	w.watchers = append(w.watchers, &watcher{
		Watcher: history.Watcher{Name: name, Prefix: prefix, From: 1},
		clients: clients, moves: moves,
		random: rand.New(rand.NewPCG(seed, uint64(1000+len(w.watchers)))),
		begin:  w.begin, finish: make(chan struct{}),
	})
}

// Start sets all clients to work, until Finish.
func (w *Workload) Start() {
	var writing, watching context.Context
	writing, w.stopWriting = context.WithCancel(context.Background())
	watching, w.stopWatching = context.WithCancel(context.Background())
	for _, c := range w.clients {
		w.writing.Go(func() { c.run(writing) })
	}
	for _, h := range w.holders {
		w.writing.Go(func() { h.run(writing) })
	}
	for _, c := range w.watchers {
		w.watching.Go(func() { c.run(watching) })
	}
}

// Quiet ends all that writes and waits for it. Leases that are held then are left to expire.
func (w *Workload) Quiet() {
	w.stopWriting()
	w.writing.Wait()
}

// Finish writes a last key for each watcher, waits until all have seen it, or FinishWithin is over, and returns the record and the
// revision of that write. The cluster must be undisturbed, and Quiet have returned.
func (w *Workload) Finish(ctx context.Context) (*Record, int64, error) {
	defer w.closeClients()
	defer w.stopWatching()
	last := w.clients[len(w.clients)-1]
	last.call(history.Operation{Then: []history.Step{last.put(keyPrefix + endSuffix), last.put(leasePrefix + endSuffix)}})
	end := last.made[len(last.made)-1]
	if end.Outcome != history.Answered {
		return nil, 0, fmt.Errorf("the last write was not answered: %v", &end)
	}
	timer := time.AfterFunc(FinishWithin, w.stopWatching)
	defer timer.Stop()
	defer context.AfterFunc(ctx, w.stopWatching)()
	for _, c := range w.watchers {
		c.Reached = end.Revision
		close(c.finish)
	}
	w.watching.Wait()
	record := &Record{}
	for _, c := range w.clients {
		record.Operations = append(record.Operations, c.made...)
	}
	for _, h := range w.holders {
		record.Operations = append(record.Operations, h.made...)
		record.Leases = append(record.Leases, h.leases...)
	}
	for _, c := range w.watchers {
		record.Watchers = append(record.Watchers, c.Watcher)
	}
	return record, end.Revision, nil
}

// Abort ends a run whose record nobody wants.
func (w *Workload) Abort() {
	w.Quiet()
	w.stopWatching()
	w.watching.Wait()
	w.closeClients()
}

func (w *Workload) closeClients() {
	for _, etcd := range w.etcds {
		etcd.Close()
	}
}
