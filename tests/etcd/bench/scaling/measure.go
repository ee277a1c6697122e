package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// scenario is who watches what and how much is put.
type scenario struct {
	name     string
	watchers int
	hot      bool // all watch one prefix, below which everything is put
	puts     int
	reach    int // watchers that are told of a put
}

const hotPrefix = "hot/"

// ownKey and hotKey name the keys that one watcher and that all watch.
func ownKey(i int) string { return fmt.Sprintf("own/%05d", i) }
func hotKey(i int) string { return fmt.Sprintf("%s%05d", hotPrefix, i) }

// result is what was spent, by kind of node, and what puts took.
type result struct {
	consensus, ingesting, others time.Duration
	writersAPI, watchersAPI      time.Duration
	otherNodes                   int
	lasted                       time.Duration
	puts, events                 int
	took                         []time.Duration
}

// idle looks at nodes that have nothing to do.
func (s *stack) idle(ctx context.Context, o *options) (*result, error) {
	return s.during(ctx, func() (*result, error) {
		select {
		case <-time.After(o.idle):
			return &result{}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}

// measure has the watchers watch, puts, and waits until every event has arrived.
func (s *stack) measure(ctx context.Context, o *options, c scenario) (*result, error) {
	var a *audience
	if c.watchers > 0 {
		var err error
		if a, err = startAudience(ctx, s.watchers, c); err != nil {
			return nil, err
		}
		defer a.stop()
	}
	return s.during(ctx, func() (*result, error) {
		took, err := s.put(ctx, o, c)
		if err == nil && a != nil {
			err = a.await(ctx)
		}
		return &result{puts: c.puts, events: c.puts * c.reach, took: took}, err
	})
}

// during adds to a result what was spent until it was there.
func (s *stack) during(ctx context.Context, do func() (*result, error)) (*result, error) {
	ingester, err := s.ingesting(ctx)
	if err != nil {
		return nil, err
	}
	before, err := s.spent(ingester)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	r, err := do()
	if err != nil {
		return nil, err
	}
	r.lasted = time.Since(begin)
	after, err := s.spent(ingester)
	if err != nil {
		return nil, err
	}
	r.otherNodes = len(s.watch) - 1
	r.consensus = after.consensus - before.consensus
	r.ingesting, r.others = after.ingesting-before.ingesting, after.others-before.others
	r.writersAPI, r.watchersAPI = after.writersAPI-before.writersAPI, after.watchersAPI-before.watchersAPI
	return r, nil
}

// spent is the CPU of each kind of node until now.
func (s *stack) spent(ingester int) (r result, err error) {
	add := func(to *time.Duration, p *program) {
		var cpu time.Duration
		if err == nil {
			cpu, err = p.cpu()
		}
		*to += cpu
	}
	add(&r.consensus, s.consensus)
	for i, p := range s.watch {
		if i == ingester {
			add(&r.ingesting, p)
		} else {
			add(&r.others, p)
		}
	}
	add(&r.writersAPI, s.writersAPI)
	add(&r.watchersAPI, s.watchersAPI)
	return r, err
}

// less leaves out what idle nodes would have spent in that time.
func (r *result) less(idle *result) *result {
	net := *r
	part := float64(r.lasted) / float64(idle.lasted)
	for _, each := range []struct {
		of   *time.Duration
		idle time.Duration
	}{
		{&net.consensus, idle.consensus},
		{&net.ingesting, idle.ingesting},
		{&net.others, idle.others},
		{&net.writersAPI, idle.writersAPI},
		{&net.watchersAPI, idle.watchersAPI},
	} {
		*each.of = max(0, *each.of-time.Duration(part*float64(each.idle)))
	}
	return &net
}

func (r *result) row(watchNodes int, c scenario) string {
	perPut := func(d time.Duration) string {
		return fmt.Sprintf("%.1f", float64(d.Microseconds())/float64(r.puts))
	}
	other, event := "", ""
	if r.otherNodes > 0 {
		other = perPut(r.others / time.Duration(r.otherNodes))
	}
	if r.events > 0 {
		event = fmt.Sprintf("%.2f", float64(r.watchersAPI.Microseconds())/float64(r.events))
	}
	slices.Sort(r.took)
	at := func(part float64) string {
		return fmt.Sprintf("%.2f", r.took[int(part*float64(len(r.took)-1))].Seconds()*1000)
	}
	return fmt.Sprintf("| %d | %s | %d | %.1f | %d | %s | %s | %s | %s | %s | %s | %s |", watchNodes, c.name, r.puts, r.lasted.Seconds(), r.events,
		perPut(r.consensus), perPut(r.ingesting), other, perPut(r.writersAPI), event, at(0.5), at(0.99))
}

// idleRow says what idle nodes spend, a second.
func (r *result) idleRow(watchNodes int) string {
	perSecond := func(d time.Duration) string {
		return fmt.Sprintf("%.1f ms/s", float64(d.Microseconds())/1000/r.lasted.Seconds())
	}
	other := ""
	if r.otherNodes > 0 {
		other = perSecond(r.others / time.Duration(r.otherNodes))
	}
	return fmt.Sprintf("| %d | none, idle | | %.1f | | %s | %s | %s | %s | %s | | |", watchNodes, r.lasted.Seconds(),
		perSecond(r.consensus), perSecond(r.ingesting), other, perSecond(r.writersAPI), perSecond(r.watchersAPI))
}

// put makes the puts and returns how long each took.
func (s *stack) put(ctx context.Context, o *options, c scenario) ([]time.Duration, error) {
	var next atomic.Int64
	var mu sync.Mutex
	var all []time.Duration
	group, ctx := errgroup.WithContext(ctx)
	for range o.putters {
		group.Go(func() error {
			conn, err := dial(s.writers)
			if err != nil {
				return err
			}
			defer conn.Close()
			kv, value := pb.NewKVClient(conn), make([]byte, o.valueSize)
			var mine []time.Duration
			for n := int(next.Add(1)) - 1; n < c.puts; n = int(next.Add(1)) - 1 {
				key := ownKey(n % o.watchers)
				if c.hot {
					key = hotKey(n)
				}
				begin := time.Now()
				if _, err := kv.Put(ctx, &pb.PutRequest{Key: []byte(key), Value: value}); err != nil {
					return err
				}
				mine = append(mine, time.Since(begin))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
			return nil
		})
	}
	err := group.Wait()
	return all, err
}

func dial(endpoint string) (*grpc.ClientConn, error) {
	return grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
}
