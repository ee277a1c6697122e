package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quoratedb/quorate/tests/faults/chaos/history"
)

const (
	// keyPrefix and leasePrefix begin the keys of clients and of leases.
	keyPrefix, leasePrefix = "key/", "lease/"
	// endSuffix names the last key that is written under a prefix, which tells watchers that there is no more.
	endSuffix = "~end"
	// all is the label of clients that use all endpoints.
	all = "all"
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
	Failures   []history.Failure
	// RightChanges, UserRequests and UserWatches are empty for a store without users.
	RightChanges []history.RightChange
	UserRequests []history.UserRequest
	UserWatches  []history.UserWatch
}

// Config says what to use, and how.
type Config struct {
	// Dial connects a client to one endpoint or several.
	Dial func(endpoints ...string) (*clientv3.Client, error)
	// DialAs is Dial of a user that Secure has made; nil if it has not been called.
	DialAs func(login Login, endpoints ...string) (*clientv3.Client, error)
	// Endpoints are those of the first members, Spare those where a member may be at times.
	Endpoints, Spare []string
	// Seed makes the choices.
	Seed uint64
	// Begin is the moment from which times count.
	Begin time.Time
}

// Workload is a set of clients. New, Start, Finish, and Close if not finished, are called once and in this order.
type Workload struct {
	begin    time.Time
	seed     uint64
	etcds    []*clientv3.Client
	clients  []*client
	holders  []*holder
	watchers []*watcher
	users    []*user
	admins   []*administrator
	viewers  []*viewer

	stopWriting, stopWatching context.CancelFunc
	writing, watching         sync.WaitGroup
}

// New connects clients to endpoints: one of all, and for each endpoint one that shows what this member alone does. Of those at one
// endpoint some are patient, so that a request which never ends is noticed.
func New(config Config) (*Workload, error) {
	w := &Workload{begin: config.Begin, seed: config.Seed}
	single, err := w.dial(config, append(append([]string(nil), config.Endpoints...), config.Spare...)...)
	if err != nil {
		return nil, err
	}
	every, err := config.dialEverything(config.Endpoints...)
	if err != nil {
		w.closeClients()
		return nil, err
	}
	w.etcds = append(w.etcds, every)
	for i, etcd := range single {
		if i >= len(config.Endpoints) {
			w.client(etcd, config.Spare[i-len(config.Endpoints)], patientlyWithin)
			continue
		}
		endpoint := config.Endpoints[i]
		for range clientsPerMember {
			w.client(etcd, endpoint, answerWithin)
		}
		w.client(etcd, endpoint, patientlyWithin)
		w.holder(etcd, endpoint, answerWithin)
		w.holder(etcd, endpoint, patientlyWithin)
		w.watch("stays at "+endpoint, "", false, etcd)
	}
	for range clientsOfAll {
		w.client(every, all, answerWithin)
		w.holder(every, all, answerWithin)
	}
	members := len(config.Endpoints)
	for _, prefix := range []string{keyPrefix, leasePrefix} {
		w.watch("moves, "+prefix, prefix, true, single[:members]...)
		w.watchers[len(w.watchers)-1].spare = single[members:]
	}
	w.watch("uses all", keyPrefix, false, every)
	if config.DialAs != nil {
		if err := w.makeUsers(config, every); err != nil {
			w.closeClients()
			return nil, err
		}
	}
	return w, nil
}

// dial makes a client of each endpoint.
func (w *Workload) dial(config Config, endpoints ...string) ([]*clientv3.Client, error) {
	for _, endpoint := range endpoints {
		etcd, err := config.dialEverything(endpoint)
		if err != nil {
			w.closeClients()
			return nil, err
		}
		w.etcds = append(w.etcds, etcd)
	}
	return w.etcds, nil
}

func (w *Workload) newClient(etcd *clientv3.Client, label string, patience time.Duration) client {
	id := len(w.clients) + len(w.holders) + len(w.users)
	return client{
		id: id, endpoint: label, etcd: etcd, patience: patience,
		random: rand.New(rand.NewPCG(w.seed, uint64(id))), begin: w.begin, latest: map[string]int64{},
	}
}

func (w *Workload) client(etcd *clientv3.Client, label string, patience time.Duration) {
	made := w.newClient(etcd, label, patience)
	w.clients = append(w.clients, &made)
}

func (w *Workload) holder(etcd *clientv3.Client, label string, patience time.Duration) {
	w.holders = append(w.holders, &holder{client: w.newClient(etcd, label, patience)})
}

func (w *Workload) watch(name, prefix string, moves bool, clients ...*clientv3.Client) {
	w.watchers = append(w.watchers, &watcher{
		Watcher: history.Watcher{Name: name, Prefix: prefix, From: 1},
		clients: clients, moves: moves,
		random: rand.New(rand.NewPCG(w.seed, uint64(1000+len(w.watchers)))),
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
	for _, u := range w.users {
		w.writing.Go(func() { u.run(writing) })
	}
	for _, a := range w.admins {
		w.writing.Go(func() { a.run(writing) })
	}
	for _, v := range w.viewers {
		w.writing.Go(func() { v.run(writing) })
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
		record.Failures = append(record.Failures, c.failures...)
	}
	for _, h := range w.holders {
		record.Operations = append(record.Operations, h.made...)
		record.Leases = append(record.Leases, h.leases...)
		record.Failures = append(record.Failures, h.failures...)
	}
	for _, c := range w.watchers {
		record.Watchers = append(record.Watchers, c.Watcher)
	}
	w.recordUsers(record)
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
