package remote

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/balancer"
	"github.com/quoratedb/quorate/pkg/rpc/batching"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
	"github.com/quoratedb/quorate/services/consensus/rpc"
)

// Client is the store. Its methods may be called concurrently, also before Run, and then wait for it.
type Client struct {
	balancer *balancer.Balancer[*consensusv1.Standing]
	// turn counts the reads that go to the members in turn.
	turn atomic.Uint64
	// ready is closed once a leader is known.
	ready chan struct{}
	// seen is the newest revision that any answer has shown.
	seen    atomic.Int64
	timeout time.Duration
	log     *slog.Logger
	store   store
}

var (
	_ rpc.Service = (*Client)(nil)
	_ rpc.Tree    = (*Client)(nil)
)

// New makes a client of the members among the nodes, which Run then looks for. A call takes timeout at most, however long its
// caller waits; of calls whose answers may be large that is how long they wait for a member. A nil logger is for none.
func New(set *resolver.Set, timeout time.Duration, logger *slog.Logger) *Client {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{ready: make(chan struct{}), timeout: timeout, log: logger}
	c.store.replaced = make(chan struct{})
	c.balancer = balancer.New(balancer.Config[*consensusv1.Standing]{
		Service: "consensus", Nodes: set, Logger: logger, CallTimeout: timeout,
		Open: func(ctx context.Context, n *resolver.Node, told func(*consensusv1.Standing)) (batching.Stream, error) {
			return rpc.OpenBatch(ctx, n.Client, n.URL, func(standing *consensusv1.Standing) {
				c.meet(standing)
				told(standing)
			})
		},
	})
	return c
}

// Run keeps a stream to every member until ctx ends.
func (c *Client) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.balancer.Run(ctx) })
	group.Go(func() error {
		for {
			leader, _, changed := c.Leader()
			if leader != 0 {
				close(c.ready)
				return nil
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return nil
			}
		}
	})
	return group.Wait()
}

// Ready is closed once a leader was known.
func (c *Client) Ready() <-chan struct{} { return c.ready }

// Leader returns the id of the leader that the members see, 0 for none, whether any member can be reached, and a channel
// that is closed when that may have changed.
func (c *Client) Leader() (id uint64, reached bool, changed <-chan struct{}) {
	view := c.balancer.View()
	if leader := leading(view.Backends); leader != nil {
		id = leader.Standing.GetMemberId()
	} else if led := newestLed(view.Backends); led != nil {
		id = led.Standing.GetLeaderId()
	}
	return id, len(view.Backends) > 0, view.Changed
}

type (
	member  = balancer.Backend[*consensusv1.Standing]
	options = balancer.CallOptions[*consensusv1.Standing]
)

// newestLed is a member that sees a leader, of those in the latest term; nil if there is none. A member without a leader does
// not count, whatever its term: nobody has won that one yet.
func newestLed(members []*member) (newest *member) {
	for _, m := range members {
		if m.Standing.GetLeaderId() != 0 && (newest == nil || m.Standing.GetRaftTerm() > newest.Standing.GetRaftTerm()) {
			newest = m
		}
	}
	return newest
}

// leading is the member that leads, so far as it and the others know; nil if it cannot be reached. One that stands as the
// leader of an earlier term does not: it is frozen or cut off, or will say so itself in a moment.
func leading(members []*member) *member {
	newest := newestLed(members)
	if newest == nil {
		return nil
	}
	leader := newest.Standing.GetLeaderId()
	for _, m := range members {
		if m.Standing.GetMemberId() == leader && m.Standing.GetLeaderId() == leader {
			return m
		}
	}
	return nil
}

// current tells whether a member sees the leader that the newest of them sees.
func current(m, newest *member) bool {
	return newest != nil && m.Standing.GetLeaderId() != 0 && m.Standing.GetRaftTerm() == newest.Standing.GetRaftTerm()
}

// now is where a member stands by now, nil if it is not connected any more.
func now(members []*member, m *member) *member {
	for _, other := range members {
		if other.Node == m.Node {
			return other
		}
	}
	return nil
}

// atLeader chooses the leader, or else a member that can pass a proposal on, or else any: it knows what it knows.
type atLeader struct{}

func (atLeader) Pick(members []*member) *member {
	if m := leading(members); m != nil {
		return m
	}
	if m := newestLed(members); m != nil {
		return m
	}
	if len(members) > 0 {
		return members[0]
	}
	return nil
}

// Keep goes on waiting for a member that was chosen when it was the best: it still can answer, unless the others have gone on
// to a later term without it.
func (atLeader) Keep(members []*member, m *member) bool {
	m = now(members, m)
	newest := newestLed(members)
	return m != nil && (newest == nil || m.Standing.GetRaftTerm() >= newest.Standing.GetRaftTerm())
}

// onlyLeader chooses the leader and nobody else.
type onlyLeader struct{}

func (onlyLeader) Pick(members []*member) *member { return leading(members) }
func (onlyLeader) Keep([]*member, *member) bool   { return true }

// inTurn chooses the members that see the leader in turn.
type inTurn struct{ turn *atomic.Uint64 }

func (r inTurn) Pick(members []*member) *member {
	newest, n := newestLed(members), 0
	for _, m := range members {
		if current(m, newest) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	at := int(r.turn.Add(1) % uint64(n))
	for _, m := range members {
		if !current(m, newest) {
			continue
		}
		if at == 0 {
			return m
		}
		at--
	}
	return nil
}

// Keep gives up on a member that has lost its leader, as one does that is cut off from the others, and on one that the others
// have left behind in an earlier term.
func (inTurn) Keep(members []*member, m *member) bool {
	m = now(members, m)
	return m != nil && current(m, newestLed(members))
}

// How calls are made.
var (
	// change is for what changes the store.
	change = options{Picker: atLeader{}}
	// look is for what does not and tells of one member.
	look = options{Picker: atLeader{}, RetryPolicy: balancer.RetryPolicy{Idempotent: true, Retryable: []error{errdefs.ErrStopped}}}
	// command is for what the leader alone can do.
	command = options{Picker: onlyLeader{}, RetryPolicy: balancer.RetryPolicy{Retryable: []error{errdefs.ErrNotLeader}}}
)

// long is for calls whose answers may take long, because they are large or because of what they wait for.
func long(h options) options {
	h.Long = true
	return h
}

// read is for linearizable reads.
func (c *Client) read() options {
	return options{Picker: inTurn{&c.turn}, RetryPolicy: balancer.RetryPolicy{Idempotent: true, Retryable: []error{errdefs.ErrStopped, errdefs.ErrNoLeader}}}
}
