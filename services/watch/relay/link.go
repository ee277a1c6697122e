package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/quoratedb/quorate/pkg/delivery"
	"github.com/quoratedb/quorate/pkg/errdefs"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1/watchv1connect"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
)

const (
	// positionTimeout is how long a node may tell no position before its watches move to others. It tells one every half
	// second while it is well.
	positionTimeout = 2500 * time.Millisecond
	// Attempts to reach a node start retryMin apart, and double up to retryMax.
	retryMin = 100 * time.Millisecond
	retryMax = 2 * time.Second
	// steadyTime is how long a node must have been up for its loss to be no reason to wait longer.
	steadyTime = 5 * time.Second
	// joinsMax is how many subscriptions one request begins.
	joinsMax = 1000
)

// errSilent is why a link ends whose node tells no position.
var errSilent = fmt.Errorf("no position for %v", positionTimeout)

// link is one watch node and the stream to it.
type link struct {
	relay   *Relay
	node    *resolver.Node
	service watchv1connect.WatchServiceClient
	ctx     context.Context
	end     context.CancelFunc

	// Under the relay's lock.
	up       bool      // the node has told a position on the present stream
	since    time.Time // when it did first
	settled  bool      // that was a while ago
	number   uint64    // the node's
	position int64     // every group that has joined was told everything up to here
	groups   map[int64]*group
	lastID   int64
	breakOff context.CancelCauseFunc // ends the present stream

	// filled holds a token when there is something to send.
	filled chan struct{}
	out    struct {
		sync.Mutex
		// join holds the subscriptions to begin, and order their ids in the order in which they came, with those that have left
		// meanwhile among them.
		join       map[int64]*watchv1.Subscription
		order      []int64
		leave      []int64
		positionAt int64
	}
}

func newLink(ctx context.Context, r *Relay, node *resolver.Node) *link {
	l := &link{
		relay: r, node: node, service: watchv1connect.NewWatchServiceClient(node.Client, node.URL, interceptor.ClientOptions()...),
		groups: make(map[int64]*group), filled: make(chan struct{}, 1),
	}
	l.ctx, l.end = context.WithCancel(ctx)
	return l
}

// run keeps a stream to the node until the link ends.
func (l *link) run() {
	defer l.node.Close()
	log := l.relay.cfg.Logger.With("node", l.node.Address)
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		began := time.Now()
		err := l.stream()
		was := l.relay.detach(l)
		if l.ctx.Err() != nil {
			return
		}
		if was {
			log.Warn("watch node lost, its watches move", "error", err)
			if time.Since(began) >= steadyTime {
				wait = retryMin
			}
		} else {
			log.Debug("watch node not reached", "error", err)
		}
		select {
		case <-time.After(wait):
		case <-l.ctx.Done():
			return
		}
	}
}

// stream opens a stream and serves it until it ends, and says why.
func (l *link) stream() error {
	ctx, cancel := context.WithCancelCause(l.ctx)
	defer cancel(nil)
	l.relay.mu.Lock()
	l.breakOff = cancel
	l.relay.mu.Unlock()
	silence := time.AfterFunc(positionTimeout, func() { cancel(errSilent) })
	defer silence.Stop()
	stream, err := l.service.Watch(ctx)
	if err != nil {
		return err
	}
	var sending sync.WaitGroup
	defer sending.Wait()
	defer func() { _ = stream.CloseResponse() }() // it is over whatever this says
	defer cancel(nil)
	sending.Go(func() {
		if err := l.send(ctx, stream); err != nil {
			cancel(err)
		}
		_ = stream.CloseRequest() // it is over whatever this says
	})
	for {
		resp, err := stream.Receive()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, io.EOF):
			return fmt.Errorf("watch node ended the stream: %w", errdefs.ErrStopped)
		case err != nil:
			return err
		}
		if resp.Position != nil {
			silence.Reset(positionTimeout)
		}
		if err := l.relay.handle(l, resp); err != nil {
			return err
		}
	}
}

// send sends what there is to ask, beginning with nothing, until ctx or the stream ends.
func (l *link) send(ctx context.Context, stream *connect.BidiStreamForClientSimple[watchv1.WatchRequest, watchv1.WatchResponse]) error {
	for req := new(watchv1.WatchRequest); ; req = l.takeOut() {
		if req == nil {
			select {
			case <-l.filled:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := stream.Send(req); errors.Is(err, io.EOF) {
			return nil // receiving tells why
		} else if err != nil {
			return err
		}
	}
}

// takeOut returns what is to be asked, nil if there is nothing.
func (l *link) takeOut() *watchv1.WatchRequest {
	l.out.Lock()
	defer l.out.Unlock()
	out := &l.out
	if len(out.join) == 0 && len(out.leave) == 0 && out.positionAt == 0 {
		return nil
	}
	req := &watchv1.WatchRequest{Leave: out.leave}
	out.leave = nil
	for len(out.join) > 0 && len(req.Join) < joinsMax {
		id := out.order[0]
		out.order = out.order[1:]
		if subscription := out.join[id]; subscription != nil {
			req.Join = append(req.Join, subscription)
			delete(out.join, id)
		}
	}
	if len(out.join) == 0 {
		req.PositionAt = out.positionAt
		out.order, out.positionAt = nil, 0
	}
	return req
}

func (l *link) ask(change func()) {
	l.out.Lock()
	change()
	l.out.Unlock()
	select {
	case l.filled <- struct{}{}:
	default:
	}
}

// leave ends a subscription. One that the node was not asked for yet is not asked for: the node would hear of its end
// first, and keep it.
func (l *link) leave(id int64) {
	delete(l.groups, id)
	l.ask(func() {
		if l.out.join[id] == nil {
			l.out.leave = append(l.out.leave, id)
		}
		delete(l.out.join, id)
	})
}

// askPosition asks for a position at or after a revision.
func (l *link) askPosition(revision int64) {
	l.ask(func() { l.out.positionAt = max(l.out.positionAt, revision) })
}

// subscribeLocked begins a group's subscription at a node.
func (l *link) subscribeLocked(g *group) {
	l.lastID++
	g.link, g.id, g.joined = l, l.lastID, false
	l.groups[g.id] = g
	l.join(&watchv1.Subscription{Id: g.id, Selection: g.sel.request()})
}

func (l *link) join(s *watchv1.Subscription) {
	l.ask(func() {
		if l.out.join == nil {
			l.out.join = make(map[int64]*watchv1.Subscription)
		}
		l.out.join[s.Id] = s
		l.out.order = append(l.out.order, s.Id)
	})
}

// handle takes in what a node tells. It fails if that makes no sense.
func (r *Relay) handle(l *link, resp *watchv1.WatchResponse) error {
	// The first of a stream comes with nothing else, and before anything is asked of the node.
	if resp.Position != nil && r.cfg.Other != nil && r.cfg.Other(resp.Position.Store) {
		return errOtherStore
	}
	batches := make([]*delivery.Batch, len(resp.Deliveries))
	for i, d := range resp.Deliveries {
		if len(d.Events) == 0 {
			continue
		}
		var err error
		if batches[i], err = delivery.FromEncoded(d.Events, d.FirstRevision, d.LastRevision); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, d := range resp.Deliveries {
		g := l.groups[d.Id]
		switch {
		case g == nil: // it has left
		case d.Kind == watchv1.Delivery_KIND_JOINED:
			r.joinLocked(g, d.Revision)
		case d.Kind == watchv1.Delivery_KIND_LAPSED:
			r.counts.lapsed.Add(1)
			r.leaveNodeLocked(g)
			l.subscribeLocked(g)
		case batches[i] != nil:
			r.deliverLocked(g, batches[i], d.Revision)
		}
	}
	if resp.Position != nil {
		r.positionLocked(l, resp.Position)
	}
	return nil
}

func (r *Relay) positionLocked(l *link, p *watchv1.Position) {
	l.position = p.Revision
	if !l.up {
		l.up, l.settled, l.since, l.number = true, false, time.Now(), p.Node
		r.cfg.Logger.Info("watch node reached", "node", l.node.Address, "revision", p.Revision)
		for _, g := range r.mu.groups {
			if g.link == nil {
				r.placeLocked(g)
			}
		}
	}
	for s := range r.mu.awaiting {
		s.nudge()
	}
}

// detach moves the groups of a link that has ended to others, and tells whether the link was up.
func (r *Relay) detach(l *link) (was bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if was = l.up; was {
		r.counts.lost.Add(1)
	}
	l.up = false
	l.out.Lock()
	l.out.join, l.out.order, l.out.leave, l.out.positionAt = nil, nil, nil, 0
	l.out.Unlock()
	for _, g := range l.groups {
		r.counts.moved.Add(1)
		r.leaveNodeLocked(g)
		r.placeLocked(g)
	}
	l.position = 0
	return was
}
