package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Front passes connections on while Run runs.
type Front struct {
	config Config
	log    *slog.Logger
	pool   *pool
	client *http.Client
	slots  chan struct{} // one for each connection under way
	times  times

	metrics metrics
}

// New takes a valid configuration. It starts nothing.
func New(config Config) (*Front, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("front: %w", err)
	}
	pool := newPool()
	return &Front{
		config: config,
		log:    config.Logger,
		pool:   pool,
		// A new connection for each look: one that is open already says nothing of new ones.
		client:  &http.Client{Timeout: probeWithin, Transport: &http.Transport{DisableKeepAlives: true}},
		slots:   make(chan struct{}, config.ConnectionsMax),
		times:   times{halfClosedIdle, unreadMax},
		metrics: newMetrics(pool),
	}, nil
}

// Usable reports whether a node answers, so that connections lead somewhere.
func (f *Front) Usable() bool { return f.pool.usable() }

// Run passes connections on until ctx ends, and then ends them. It fails when a listener does.
func (f *Front) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { f.watchNodes(ctx); return nil })
	for port, listener := range f.config.Listeners {
		group.Go(func() error { return f.accept(ctx, listener, port) })
		group.Go(func() error {
			<-ctx.Done()
			_ = listener.Close() // nothing was sent or kept
			return nil
		})
	}
	return group.Wait()
}

// watchNodes looks at all nodes until ctx ends.
func (f *Front) watchNodes(ctx context.Context) {
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		f.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look asks for the addresses of the nodes and each node for its condition.
func (f *Front) look(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	listed, err := f.config.Lookup(within, f.config.Host)
	if err != nil {
		// The known ones go on: a resolver that fails says nothing of them.
		f.log.Debug("cannot look up the nodes", "host", f.config.Host, "error", err)
	}
	known := f.pool.know(listed)
	if err != nil {
		listed = known
	}
	conditions := make([]condition, len(known))
	var asked sync.WaitGroup
	for i, address := range known {
		asked.Go(func() { conditions[i] = f.ask(ctx, address) })
	}
	asked.Wait()
	if ctx.Err() != nil {
		return // what was cut short says nothing
	}
	answers := map[netip.Addr]condition{}
	for i, address := range known {
		answers[address] = conditions[i]
	}
	changed, end := f.pool.settle(answers, listed)
	for _, c := range changed {
		f.log.Info("a node changed", "address", c.address.String(), "is", c.is.String())
	}
	for _, stop := range end {
		stop()
	}
}

func (f *Front) ask(ctx context.Context, address netip.Addr) condition {
	url := "http://" + net.JoinHostPort(address.String(), strconv.Itoa(f.config.ReadyPort)) + "/readyz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return gone
	}
	response, err := f.client.Do(request)
	if err != nil {
		return gone
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return ready
	}
	return alive
}

// accept passes on what comes to a listener, until ctx ends, and waits for the end of it all. Where connections cannot be accepted, it
// rests and tries again: those under way go on.
func (f *Front) accept(ctx context.Context, listener Listener, port int) error {
	var under sync.WaitGroup
	defer under.Wait()
	var failing backoff
	for {
		select {
		case <-ctx.Done():
			return nil
		case f.slots <- struct{}{}:
		}
		conn, err := listener.AcceptTCP()
		if err == nil {
			failing = backoff{}
			under.Go(func() {
				defer func() { <-f.slots }()
				f.pass(ctx, conn, port)
			})
			continue
		}
		<-f.slots
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("front: accept at %s: %w", listener.Addr(), err)
		case failing.tell(time.Now()):
			f.log.Warn("cannot accept connections, and tries again", "address", listener.Addr().String(), "error", err)
		}
		if !failing.rest(ctx) {
			return nil
		}
	}
}

// backoff is how accepting that fails goes on. The zero value is one that does not fail.
type backoff struct {
	pause time.Duration
	told  time.Time
}

// tell says whether it is time for another line of the log.
func (b *backoff) tell(now time.Time) bool {
	if now.Sub(b.told) < acceptLogged {
		return false
	}
	b.told = now
	return true
}

// rest waits, longer each time, and reports whether ctx goes on.
func (b *backoff) rest(ctx context.Context) bool {
	b.pause = min(max(2*b.pause, acceptPauseMin), acceptPauseMax)
	timer := time.NewTimer(b.pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pass connects a client with the first node that takes the connection, until one of them, the node's condition or ctx ends it.
func (f *Front) pass(ctx context.Context, client *net.TCPConn, port int) {
	defer client.Close()
	for _, address := range f.pool.order() {
		dialer := net.Dialer{Timeout: dialWithin}
		target, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(address.String(), strconv.Itoa(port)))
		if err != nil {
			f.log.Debug("a node takes no connection", "address", address.String(), "error", err)
			continue
		}
		stop := sync.OnceFunc(func() { client.Close(); target.Close() })
		defer stop()
		done, known := f.pool.carry(address, stop)
		if !known {
			continue
		}
		defer done()
		defer context.AfterFunc(ctx, stop)()
		f.metrics.passed.Inc()
		join(client, target.(*net.TCPConn), f.times)
		return
	}
	f.metrics.turnedAway.Inc()
	f.log.Warn("a client was turned away: no node takes connections", "host", f.config.Host, "port", port)
}
