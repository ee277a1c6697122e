package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// loop sends all requests, and returns when they are answered or ctx has ended. Each of the workers takes the next number. In an open loop a number
// says when its request is due, and that is what its time counts from, also where no worker was free then.
func (f *flags) loop(ctx context.Context, clients []*clientv3.Client, r *recorder, send request, done func()) {
	var next atomic.Int64
	began := time.Now()
	var workers sync.WaitGroup
	for worker := range f.clients {
		client := clients[worker%len(clients)]
		workers.Go(func() {
			for ctx.Err() == nil {
				number := int(next.Add(1)) - 1
				if number >= f.total {
					return
				}
				due := time.Now()
				if f.rate > 0 {
					due = began.Add(time.Duration(float64(number) / f.rate * float64(time.Second)))
					if !await(ctx, due) {
						return
					}
				}
				// What has failed is counted by whoever sends.
				_ = send(ctx, client, number, due)
				done()
			}
		})
	}
	workers.Wait()
}

// await waits for a time, and tells whether ctx still goes on.
func await(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
