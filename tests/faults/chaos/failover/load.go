package failover

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/quoratedb/quorate/tests/faults/chaos/cluster"
)

const (
	// putEvery is the time between two puts through one member, whether the one before was answered or not: so a client that
	// waits for its answer does not hide that others would be served.
	putEvery = 10 * time.Millisecond
	// putWithin is how long one put may take.
	putWithin = 3 * time.Second
	// waitingMax bounds the puts that wait for an answer from one member.
	waitingMax = 400
)

// load writes through every member until it is stopped, and knows when writes were answered with success.
type load struct {
	cancel  context.CancelFunc
	writing sync.WaitGroup
	mu      struct {
		sync.Mutex
		successes []time.Time
	}
}

func startLoad(c *cluster.Cluster) *load {
	l := &load{}
	var ctx context.Context
	ctx, l.cancel = context.WithCancel(context.Background())
	for _, m := range c.Joined() {
		l.writing.Go(func() { l.write(ctx, m) })
	}
	return l
}

func (l *load) write(ctx context.Context, m *cluster.Member) {
	ticker := time.NewTicker(putEvery)
	defer ticker.Stop()
	waiting := make(chan struct{}, waitingMax)
	var puts sync.WaitGroup
	defer puts.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		select {
		case waiting <- struct{}{}:
		default:
			continue
		}
		puts.Go(func() {
			defer func() { <-waiting }()
			ctx, cancel := context.WithTimeout(ctx, putWithin)
			defer cancel()
			if _, err := m.Client.Put(ctx, "failover/"+m.Name(), "x"); err == nil {
				l.mu.Lock()
				l.mu.successes = append(l.mu.successes, time.Now())
				l.mu.Unlock()
			}
		})
	}
}

// stop ends the load and returns when writes were answered, ordered.
func (l *load) stop() []time.Time {
	l.cancel()
	l.writing.Wait()
	slices.SortFunc(l.mu.successes, time.Time.Compare)
	return l.mu.successes
}
