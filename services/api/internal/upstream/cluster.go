package upstream

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

const (
	// findMax bounds one look for endpoints.
	findMax = 10 * time.Second
	// doubtTime is how long a member that was left for want of a leader is taken only if there is no other.
	doubtTime = 10 * time.Second
	// failuresMax is how many requests in a row may fail so, or be without an answer in their time, until it is left.
	failuresMax = 2
)

// Cluster sends requests to one member, and to another one when that goes away: answers of one member never go back in time, and their headers
// name who gave them. Create it with New and Run it once; its other methods may be called concurrently, before Run too.
type Cluster struct {
	config Config

	mu struct {
		sync.Mutex
		members map[Endpoint]*member
		ready   map[*member]bool
		current *member // nil while none is ready
		// changed is closed when there is another current one.
		changed chan struct{}
	}
	following sync.WaitGroup
}

// New returns a cluster that connects to nobody yet.
func New(config Config) *Cluster {
	c := &Cluster{config: config}
	c.mu.members = make(map[Endpoint]*member)
	c.mu.ready = make(map[*member]bool)
	c.mu.changed = make(chan struct{})
	return c
}

// Run keeps connections until ctx ends, and returns when they are closed.
func (c *Cluster) Run(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	defer c.following.Wait()
	defer stop()
	c.follow(ctx, c.config.Endpoints)
	if c.config.Find == nil || c.config.FindInterval <= 0 {
		<-ctx.Done()
		return
	}
	ticker := time.NewTicker(c.config.FindInterval)
	defer ticker.Stop()
	for failing := false; ; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		bounded, cancel := context.WithTimeout(ctx, findMax)
		found, err := c.config.Find(bounded)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			c.config.Logger.Warn("cannot tell where the members are by now; those that are known stay", "error", err)
		case err == nil && len(found) > 0:
			c.follow(ctx, found)
		}
		failing = err != nil
	}
}

// follow connects to the endpoints that are new, and leaves those that are no more.
func (c *Cluster) follow(ctx context.Context, endpoints []Endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e, m := range c.mu.members {
		if !slices.Contains(endpoints, e) {
			c.config.Logger.Info("an endpoint is left", "endpoint", e.String())
			delete(c.mu.members, e)
			m.stop()
		}
	}
	for _, e := range endpoints {
		if c.mu.members[e] != nil {
			continue
		}
		m, err := c.config.connect(e)
		if err != nil {
			c.config.Logger.Warn("an endpoint is of no use", "endpoint", e.String(), "error", err)
			continue
		}
		c.config.Logger.Info("an endpoint is followed", "endpoint", e.String())
		var following context.Context
		following, m.stop = context.WithCancel(ctx)
		c.mu.members[e] = m
		c.following.Go(func() {
			m.follow(following, func(ready bool) { c.note(m, ready) })
			c.note(m, false)
		})
	}
}

// note takes in whether a member can be reached.
func (c *Cluster) note(m *member, ready bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.ready[m] == ready {
		return
	}
	if ready {
		c.mu.ready[m] = true
	} else {
		delete(c.mu.ready, m)
	}
	if c.mu.current == nil || c.mu.current == m && !ready {
		c.chooseLocked()
	}
}

// chooseLocked makes another member the current one: one that nobody doubts, if there is one, and any of those, so that the proxies of a
// cluster spread.
func (c *Cluster) chooseLocked() {
	var good, doubted []*member
	now := time.Now()
	for m := range c.mu.ready {
		if now.Sub(time.Unix(0, m.doubted.Load())) < doubtTime {
			doubted = append(doubted, m)
		} else {
			good = append(good, m)
		}
	}
	if len(good) == 0 {
		good = doubted
	}
	var chosen *member
	if len(good) > 0 {
		chosen = good[rand.IntN(len(good))]
	}
	if chosen == c.mu.current {
		return
	}
	switch {
	case chosen == nil:
		c.config.Logger.Warn("no member of the cluster can be reached")
	default:
		c.config.Logger.Info("requests go to a member", "endpoint", chosen.String())
	}
	c.mu.current = chosen
	close(c.mu.changed)
	c.mu.changed = make(chan struct{})
}

// leave has requests go to another member than m, if there is one.
func (c *Cluster) leave(m *member) {
	m.doubted.Store(time.Now().UnixNano())
	m.failures.Store(0)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.current == m {
		c.chooseLocked()
	}
}

// current returns the member that takes the requests, nil for none, and what is closed when that changes.
func (c *Cluster) current() (*member, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.current, c.mu.changed
}

// pick waits for a member, for the time of a request at most. The error is ready for the client.
func (c *Cluster) pick(ctx context.Context) (*member, error) {
	m, changed := c.current()
	if m != nil {
		return m, nil
	}
	timer := time.NewTimer(c.config.RequestTimeout)
	defer timer.Stop()
	for m == nil {
		select {
		case <-changed:
			m, changed = c.current()
		case <-timer.C:
			return nil, rpctypes.ErrGRPCTimeout
		case <-ctx.Done():
			return nil, ended(ctx)
		}
	}
	return m, nil
}

// Endpoint waits for a member and tells where it is. The error is ready for the client.
func (c *Cluster) Endpoint(ctx context.Context) (Endpoint, error) {
	m, err := c.pick(ctx)
	if err != nil {
		return Endpoint{}, err
	}
	return m.Endpoint, nil
}

// Away tells that no member can be reached, and returns what is closed when that may have changed.
func (c *Cluster) Away() (away bool, changed <-chan struct{}) {
	m, changed := c.current()
	return m == nil, changed
}

// Changes calls moved, from its own goroutine, whenever requests go to another member than before, also to the first one, until ctx ends.
func (c *Cluster) Changes(ctx context.Context, moved func(context.Context)) {
	var known *member
	for {
		m, changed := c.current()
		if m != nil && m != known {
			known = m
			moved(ctx)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
