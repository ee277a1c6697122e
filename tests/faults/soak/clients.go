package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/tests/harness"
)

const (
	keys      = 5_000
	valueSize = 300
	// leaseTTL is how long what is left behind lives, seconds.
	leaseTTL = 5
	// versionsKept is how much history is left by each compaction.
	versionsKept = 5_000
	// compactEvery is how many writes lie between two compactions.
	compactEvery = 20_000
)

// clients is a mixture of clients, and what they did.
type clients struct {
	endpoints                                                   []string
	writes, reads, txns, watches, events, leases, lists, failed atomic.Int64
	// wrong is the first answer that cannot be.
	wrong atomic.Pointer[error]
}

// run has all kinds of clients use the cluster until ctx ends. Those of a kind connect anew every now and then.
func (c *clients) run(ctx context.Context) {
	var all errgroup.Group
	for _, kind := range []struct {
		n  int
		do func(context.Context, *clientv3.Client, *rand.Rand) error
	}{{6, c.write}, {4, c.read}, {2, c.transact}, {10, c.watch}, {4, c.lease}, {1, c.list}} {
		for i := range kind.n {
			all.Go(func() error {
				r := rand.New(rand.NewPCG(uint64(i), uint64(kind.n)))
				for ctx.Err() == nil {
					c.connected(ctx, r, kind.do)
				}
				return nil
			})
		}
	}
	_ = all.Wait()
}

// connected does something up to a thousand times over one connection.
func (c *clients) connected(ctx context.Context, r *rand.Rand, do func(context.Context, *clientv3.Client, *rand.Rand) error) {
	client, err := harness.Dial(c.endpoints...)
	if err != nil {
		c.failed.Add(1)
		return
	}
	defer client.Close()
	for range r.IntN(1000) + 1 {
		bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := do(bounded, client, r)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errWrong):
			c.wrong.CompareAndSwap(nil, &err)
		case err != nil: // a member restarts
			c.failed.Add(1)
		}
	}
}

var errWrong = errors.New("wrong answer")

func key(n int) string { return fmt.Sprintf("soak/%d/%d", n%50, n) }

func value(r *rand.Rand) string {
	return strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(2*valueSize))
}

func (c *clients) write(ctx context.Context, client *clientv3.Client, r *rand.Rand) error {
	var err error
	var done *clientv3.PutResponse
	if r.IntN(10) == 0 {
		_, err = client.Delete(ctx, key(r.IntN(keys)))
	} else {
		done, err = client.Put(ctx, key(r.IntN(keys)), value(r))
	}
	if err != nil {
		return err
	}
	if n := c.writes.Add(1); n%compactEvery == 0 && done != nil {
		_, err = client.Compact(ctx, done.Header.Revision-versionsKept)
	}
	return err
}

func (c *clients) read(ctx context.Context, client *clientv3.Client, r *rand.Rand) error {
	var options []clientv3.OpOption
	if r.IntN(3) == 0 {
		options = append(options, clientv3.WithSerializable())
	}
	_, err := client.Get(ctx, key(r.IntN(keys)), options...)
	c.reads.Add(1)
	return err
}

func (c *clients) list(ctx context.Context, client *clientv3.Client, r *rand.Rand) error {
	got, err := client.Get(ctx, fmt.Sprintf("soak/%d/", r.IntN(50)), clientv3.WithPrefix(), clientv3.WithLimit(200))
	c.lists.Add(1)
	if err == nil && len(got.Kvs) > 200 {
		return fmt.Errorf("%w: %d keys where 200 were asked for", errWrong, len(got.Kvs))
	}
	return err
}

// transact moves a counter by one, if nobody else did meanwhile.
func (c *clients) transact(ctx context.Context, client *clientv3.Client, r *rand.Rand) error {
	name := fmt.Sprintf("counter/%d", r.IntN(8))
	got, err := client.Get(ctx, name)
	if err != nil {
		return err
	}
	var revision int64
	if len(got.Kvs) > 0 {
		revision = got.Kvs[0].ModRevision
	}
	_, err = client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(name), "=", revision)).
		Then(clientv3.OpPut(name, value(r))).Else(clientv3.OpGet(name)).Commit()
	c.txns.Add(1)
	return err
}

// watch watches a prefix for some events, which must come in order.
func (c *clients) watch(ctx context.Context, client *clientv3.Client, r *rand.Rand) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.watches.Add(1)
	var last int64
	left := r.IntN(100) + 1
	for answer := range client.Watch(ctx, fmt.Sprintf("soak/%d/", r.IntN(50)), clientv3.WithPrefix(), clientv3.WithPrevKV()) {
		for _, event := range answer.Events {
			if event.Kv.ModRevision < last {
				return fmt.Errorf("%w: an event of revision %d after %d", errWrong, event.Kv.ModRevision, last)
			}
			last = event.Kv.ModRevision
			c.events.Add(1)
			left--
		}
		if left <= 0 {
			return nil
		}
	}
	return nil
}

// lease grants a lease with a key, keeps it alive for a while or not, and revokes it or leaves it to its end.
func (c *clients) lease(ctx context.Context, client *clientv3.Client, r *rand.Rand) error {
	lease, err := client.Grant(ctx, leaseTTL)
	if err != nil {
		return err
	}
	c.leases.Add(1)
	if _, err := client.Put(ctx, fmt.Sprintf("leased/%x", lease.ID), "x", clientv3.WithLease(lease.ID)); err != nil {
		return err
	}
	for range r.IntN(5) {
		if _, err := client.KeepAliveOnce(ctx, lease.ID); err != nil {
			return err
		}
	}
	if r.IntN(2) == 0 {
		_, err = client.Revoke(ctx, lease.ID)
	}
	return err
}
