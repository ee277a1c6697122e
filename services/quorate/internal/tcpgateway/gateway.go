package tcpgateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Config says what is forwarded where.
type Config struct {
	// Listener is where clients come. Run closes it.
	Listener net.Listener
	Targets  []Target // at least one
	// RetryDelay is after how long a target that could not be reached is tried again.
	RetryDelay time.Duration
	// ConnectionsMax bounds the clients that are connected at once; each takes two descriptors. Further ones wait for one to leave.
	ConnectionsMax int
	Logger         *slog.Logger
}

// dialMax is how long a target has to take a connection: one that is silent must not keep clients from the others.
const dialMax = 3 * time.Second

// Gateway forwards connections.
type Gateway struct {
	config Config
	pool   *pool
	dialer net.Dialer
}

// New makes a gateway. It starts nothing.
func New(config Config) *Gateway {
	return &Gateway{config: config, pool: newPool(config.Targets), dialer: net.Dialer{Timeout: dialMax}}
}

// Run forwards connections until ctx ends, which ends them all, or its listener fails. It returns once all is over.
func (g *Gateway) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	listener := g.config.Listener
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	places := semaphore.NewWeighted(int64(g.config.ConnectionsMax))
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { g.watchAway(ctx) })
	for {
		if places.Acquire(ctx, 1) != nil {
			return nil
		}
		client, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept: %w", err)
		case err != nil: // no descriptor is free, say: it goes by
			g.config.Logger.Warn("cannot accept a connection", "error", err)
			pause(ctx, acceptPause)
			places.Release(1)
			continue
		}
		running.Go(func() {
			defer places.Release(1)
			g.forward(ctx, client)
		})
	}
}

// acceptPause is how long to wait after an accept has failed.
const acceptPause = 100 * time.Millisecond

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// forward serves a client.
func (g *Gateway) forward(ctx context.Context, client net.Conn) {
	defer client.Close()
	member := g.dial(ctx)
	if member == nil {
		return
	}
	defer member.Close()
	defer context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = member.Close()
	})()
	var back sync.WaitGroup
	back.Go(func() { carry(client, member) })
	carry(member, client)
	back.Wait()
}

// carry copies until its source ends, and tells the other side so: what that still has to say comes through. Where either fails, both are
// closed: nobody would miss the end otherwise.
func carry(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil && half.CloseWrite() == nil {
		return
	}
	_ = to.Close()
	_ = from.Close()
}

// dial reaches the first target that can be, nil for none.
func (g *Gateway) dial(ctx context.Context) net.Conn {
	for _, t := range g.pool.order() {
		member, err := g.dialer.DialContext(ctx, "tcp", t.Address)
		if ctx.Err() != nil {
			if err == nil {
				_ = member.Close()
			}
			return nil
		}
		g.note(t, err)
		if err == nil {
			return member
		}
	}
	return nil
}

func (g *Gateway) note(t *target, err error) {
	switch news := g.pool.mark(t, err != nil); {
	case news && err != nil:
		g.config.Logger.Warn("cannot reach an endpoint; it is passed over", "endpoint", t.Address, "tried again in", g.config.RetryDelay, "error", err)
	case news:
		g.config.Logger.Info("an endpoint can be reached again", "endpoint", t.Address)
	}
}

// watchAway tries the targets that could not be reached again, until ctx ends.
func (g *Gateway) watchAway(ctx context.Context) {
	for pause(ctx, g.config.RetryDelay) {
		var tries sync.WaitGroup
		for _, t := range g.pool.away() {
			tries.Go(func() {
				member, err := g.dialer.DialContext(ctx, "tcp", t.Address)
				if err == nil {
					_ = member.Close()
				}
				if ctx.Err() == nil {
					g.note(t, err)
				}
			})
		}
		tries.Wait()
	}
}
