package ingress

import (
	"container/list"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Connections bounds how many connections are open at some listeners together. One more takes the place of the one that
// has been without a request for longest; where all are at work, it is refused: closed at once, so that its client
// tries another server, and counted.
//
// Those that have not had a request yet, because they are shaking hands or silent, have half of the room: one more takes
// the place of the oldest of them. So strangers, who need neither certificate nor password to get so far, cannot take the
// place of clients that are between two requests.
type Connections struct {
	max     int
	log     *slog.Logger
	what    string
	refused atomic.Int64
	mu      struct {
		sync.Mutex
		open map[net.Conn]*counted
		// strangers are those of them that have had no request, the oldest first.
		strangers *list.List
		logged    time.Time
	}
}

// counted is an open connection.
type counted struct {
	net.Conn
	of      *Connections
	release sync.Once
	// waiting is since when it has had no request; zero while it has one. It is guarded by of.mu.
	waiting time.Time
	// stranger is its place among strangers until it has had one. It is guarded by of.mu.
	stranger *list.Element
}

// NewConnections bounds connections to most, which must be above zero. what says in the log whose they are.
func NewConnections(most int, what string, log *slog.Logger) *Connections {
	c := &Connections{max: most, what: what, log: log}
	c.mu.open = make(map[net.Conn]*counted)
	c.mu.strangers = list.New()
	return c
}

// Open is how many connections are open.
func (c *Connections) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mu.open)
}

// Refused is how many were refused, or gave their place to another.
func (c *Connections) Refused() int64 { return c.refused.Load() }

// Listen wraps a listener, so that what it accepts is counted.
func (c *Connections) Listen(listener net.Listener) net.Listener { return &bounded{listener, c} }

type bounded struct {
	net.Listener
	connections *Connections
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if taken := b.connections.Take(conn); taken != nil {
			return taken, nil
		}
	}
}

// Take counts a connection until it is closed. It closes it and returns nil if there are too many already.
func (c *Connections) Take(conn net.Conn) net.Conn {
	now := time.Now()
	one := &counted{Conn: conn, of: c, waiting: now}
	c.mu.Lock()
	crowded := c.mu.strangers.Len() >= c.strangersMax()
	if len(c.mu.open) < c.max && !crowded {
		c.addLocked(one)
		c.mu.Unlock()
		return one
	}
	due := now.Sub(c.mu.logged) >= refusalsLogged
	if due {
		c.mu.logged = now
	}
	var displaced *counted
	if crowded {
		displaced = c.mu.strangers.Front().Value.(*counted)
	} else {
		displaced = c.longestWaitingLocked()
	}
	if displaced != nil {
		c.dropLocked(displaced)
		c.addLocked(one)
	}
	c.mu.Unlock()
	c.refuse(due, crowded)
	if displaced == nil {
		_ = conn.Close()
		return nil
	}
	_ = displaced.Close()
	return one
}

func (c *Connections) strangersMax() int { return max(c.max/strangersPart, 1) }

func (c *Connections) addLocked(one *counted) {
	c.mu.open[one] = one
	one.stranger = c.mu.strangers.PushBack(one)
}

// knownLocked says that a connection is no stranger (any more).
func (c *Connections) knownLocked(one *counted) {
	if one.stranger != nil {
		c.mu.strangers.Remove(one.stranger)
		one.stranger = nil
	}
}

// dropLocked forgets a connection, for the first time or again.
func (c *Connections) dropLocked(one *counted) {
	delete(c.mu.open, one)
	c.knownLocked(one)
}

func (c *Connections) refuse(tell, crowded bool) {
	total := c.refused.Add(1)
	switch {
	case !tell:
	case crowded:
		c.log.Warn("connections are refused, because as many as may be shake hands or have said nothing yet",
			"connections", c.what, "of-them-at-most", c.strangersMax(), "refused", total)
	default:
		c.log.Warn("connections are refused, because there are as many as file descriptors allow: raise the limit on open files, or spread clients over more servers",
			"connections", c.what, "open-at-most", c.max, "refused", total)
	}
}

func (c *Connections) longestWaitingLocked() *counted {
	var longest *counted
	for _, one := range c.mu.open {
		if !one.waiting.IsZero() && (longest == nil || one.waiting.Before(longest.waiting)) {
			longest = one
		}
	}
	return longest
}

// Busy says that a connection is at work and gives its place to no other. Where requests are served by a Server, that one says so.
func (c *Connections) Busy(conn net.Conn) { c.mark(conn, time.Time{}) }

func (c *Connections) mark(conn net.Conn, waiting time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.mu.open[conn]; one != nil {
		one.waiting = waiting
		c.knownLocked(one)
	}
}

// observe is a http.Server's ConnState.
func (c *Connections) observe(conn net.Conn, state http.ConnState) {
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn()
	}
	switch state {
	case http.StateActive:
		c.mark(conn, time.Time{})
	case http.StateIdle:
		c.mark(conn, time.Now())
	case http.StateNew, http.StateHijacked, http.StateClosed:
	}
}

// Close implements net.Conn. It may be called twice.
func (o *counted) Close() error {
	o.release.Do(func() {
		o.of.mu.Lock()
		o.of.dropLocked(o)
		o.of.mu.Unlock()
	})
	return o.Conn.Close()
}
