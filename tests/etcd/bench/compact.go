package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
)

// compactWindow is how long the load is measured before the compaction, and at least how long during it.
const compactWindow = 4 * time.Second

// compact measures puts during a compaction, and notes how they were before it.
func compact(t *trial) error {
	l, err := newLoad(t, 100)
	if err != nil {
		return err
	}
	defer l.close()
	// Twenty versions of each key.
	keys := t.times(10_000)
	for range 20 {
		if err := l.fill("key", keys, 256); err != nil {
			return err
		}
	}
	p := l.put(100, keys)
	defer p.end()
	before, tookBefore, err := p.during(func() error { return pause(l.ctx, compactWindow) })
	if err != nil {
		return err
	}
	t.latencies(tookBefore)
	p99Before := t.result.p99
	resp, err := l.kv(0).Range(l.ctx, &pb.RangeRequest{Key: []byte("none")})
	if err != nil {
		return err
	}
	var compacting time.Duration
	during, took, err := p.during(func() error {
		begin := time.Now()
		_, err := l.kv(0).Compact(l.ctx, &pb.CompactionRequest{Revision: resp.Header.Revision, Physical: true})
		compacting = time.Since(begin)
		if err != nil {
			return err
		}
		return pause(l.ctx, compactWindow-compacting)
	})
	if err != nil {
		return err
	}
	t.result.value = during
	t.latencies(took)
	t.result.note = fmt.Sprintf("%.0f%% of before, p99 %.1f times, compacted in %.1f s",
		100*during/before, t.result.p99.Seconds()/p99Before.Seconds(), compacting.Seconds())
	return p.end()
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// putter puts as fast as it can from many clients until stopped, and says how it went meanwhile.
type putter struct {
	stop    atomic.Bool
	working errgroup.Group
	mu      struct {
		sync.Mutex
		took []time.Duration
	}
}

// since takes what was done since the last call.
func (p *putter) since() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := p.mu.took
	p.mu.took = nil
	return took
}

// put starts clients that put keys of fill.
func (l *load) put(clients, keys int) *putter {
	p := &putter{}
	value := bytes.Repeat([]byte("v"), 256)
	for client := range clients {
		p.working.Go(func() error {
			for i := client; !p.stop.Load(); i += clients {
				begin := time.Now()
				if _, err := l.kv(client).Put(l.ctx, &pb.PutRequest{Key: []byte(fillKey("key", i%keys)), Value: value}); err != nil {
					return err
				}
				p.mu.Lock()
				p.mu.took = append(p.mu.took, time.Since(begin))
				p.mu.Unlock()
			}
			return nil
		})
	}
	return p
}

// during returns the puts a second while something runs, and how long each took.
func (p *putter) during(run func() error) (float64, []time.Duration, error) {
	p.since()
	begin := time.Now()
	err := run()
	took := p.since()
	return float64(len(took)) / time.Since(begin).Seconds(), took, err
}

// end stops the clients and waits for them. It may be called twice.
func (p *putter) end() error {
	p.stop.Store(true)
	return p.working.Wait()
}
