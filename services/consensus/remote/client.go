package remote

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/pkg/rpc/balancer"
	"github.com/quoratedb/quorate/pkg/rpc/batching"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
	"github.com/quoratedb/quorate/services/consensus/rpc"
)

// Client is the store. Its methods may be called concurrently, also before Run, and then wait for it.
type Client struct {
	balancer *balancer.Balancer[*consensusv1.Standing]
	turns    turns
	// ready is closed once a leader is known, and who is nearest.
	ready   chan struct{}
	timeout time.Duration
	store   *store
}

var (
	_ rpc.Service   = (*Client)(nil)
	_ rpc.Tree      = (*Client)(nil)
	_ rpc.Auth      = (*Client)(nil)
	_ rpc.Quotas    = (*Client)(nil)
	_ rpc.Inspector = (*Client)(nil)
)

// New makes a client of the members among the nodes, which Run then looks for. A call takes timeout at most, however long its
// caller waits; of calls whose answers may be large that is how long they wait for a member. A nil logger is for none.
func New(set *resolver.Set, timeout time.Duration, logger *slog.Logger) *Client {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{ready: make(chan struct{}), timeout: timeout, store: newStore(logger)}
	c.balancer = balancer.New(balancer.Config[*consensusv1.Standing]{
		Service: "consensus", Nodes: set, Logger: logger, CallTimeout: timeout,
		Open: func(ctx context.Context, n *resolver.Node, told func(*consensusv1.Standing)) (batching.Stream, error) {
			return rpc.OpenBatch(ctx, n.Client, n.URL, func(standing *consensusv1.Standing) {
				c.store.meet(standing)
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
		awaitNearest(ctx, c.balancer.View)
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

// Ready is closed once a leader was known and the nearest member had its time to be met.
func (c *Client) Ready() <-chan struct{} { return c.ready }

// Identity says which store is there, as far as is known, for others to compare with theirs: nil for not at all. It is the cluster's
// id, and each member that was met with its incarnation, eight bytes each.
func (c *Client) Identity() []byte { return c.store.identity() }

// Other tells whether an identity is certainly that of another store than the one that is there. Members that only one side has
// met say nothing.
func (c *Client) Other(identity []byte) bool { return c.store.other(identity) }

// FollowReplacements calls forget after the store turned out to be another than before, until ctx ends; it fails for no
// other reason. Of replacements that come while forget runs, it is called once more for all.
func (c *Client) FollowReplacements(ctx context.Context, forget func()) error {
	return c.store.followReplacements(ctx, forget)
}

// Shown is told of each revision that a client is about to be shown, by whatever service: none that is told of a member afterwards
// is older.
func (c *Client) Shown(revision int64) { c.store.tells(revision) }

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

// Nearest returns the id of the member that Status tells of now if it is asked for the nearest, 0 if none can be reached.
func (c *Client) Nearest() (id uint64) {
	if m := (nearest{}).Pick(c.balancer.View().Backends); m != nil {
		id = m.Standing.GetMemberId()
	}
	return id
}

// turns counts the reads that go to the members in turn.
type turns struct{ turn atomic.Uint64 }

// read is for linearizable reads.
func (t *turns) read() options { return linearizable(&t.turn) }

// reading is for reads that may be serializable.
func (t *turns) reading(serializable bool) options {
	if serializable {
		return look
	}
	return t.read()
}
