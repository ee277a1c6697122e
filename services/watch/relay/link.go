package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/quoratedb/quorate/pkg/errdefs"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1/watchv1connect"
	"github.com/quoratedb/quorate/pkg/rpc/interceptor"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
	"github.com/quoratedb/quorate/services/watch/relay/internal/groups"
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

// listener is told what a link's node tells.
type listener interface {
	// handle takes in what the node tells. It fails if that makes no sense, or the node is not to be used.
	handle(l *link, resp *watchv1.WatchResponse) error
	// lost takes in that the stream has ended, and tells whether the node was up.
	lost(l *link) bool
}

// link is one watch node and the stream to it. It implements groups.Peer.
type link struct {
	listener listener
	log      *slog.Logger
	node     *resolver.Node
	service  watchv1connect.WatchServiceClient
	ctx      context.Context
	end      context.CancelFunc
	// known is what the table knows of the node, under whose lock it is.
	known *groups.Node

	// filled holds a token when there is something to send.
	filled chan struct{}
	out    struct {
		sync.Mutex
		breakOff context.CancelCauseFunc // ends the present stream
		// join holds the subscriptions to begin, and order their ids in the order in which they came, with those that have left
		// meanwhile among them.
		join       map[int64]*watchv1.Subscription
		order      []int64
		leave      []int64
		positionAt int64
	}
}

var _ groups.Peer = (*link)(nil)

func newLink(ctx context.Context, to listener, log *slog.Logger, node *resolver.Node) *link {
	l := &link{
		listener: to, log: log.With("node", node.Address), node: node,
		service: watchv1connect.NewWatchServiceClient(node.Client, node.URL, interceptor.ClientOptions()...),
		filled:  make(chan struct{}, 1),
	}
	l.known = groups.NewNode(l)
	l.ctx, l.end = context.WithCancel(ctx)
	return l
}

// run keeps a stream to the node until the link ends.
func (l *link) run() {
	defer l.node.Close()
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		began := time.Now()
		err := l.stream()
		was := l.listener.lost(l)
		if l.ctx.Err() != nil {
			return
		}
		if was {
			l.log.Warn("watch node lost, its watches move", "error", err)
			if time.Since(began) >= steadyTime {
				wait = retryMin
			}
		} else {
			l.log.Debug("watch node not reached", "error", err)
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
	l.out.Lock()
	l.out.breakOff = cancel
	l.out.Unlock()
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
		if err := l.listener.handle(l, resp); err != nil {
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

// Join begins a subscription.
func (l *link) Join(s *watchv1.Subscription) {
	l.ask(func() {
		if l.out.join == nil {
			l.out.join = make(map[int64]*watchv1.Subscription)
		}
		l.out.join[s.Id] = s
		l.out.order = append(l.out.order, s.Id)
	})
}

// Leave ends a subscription. One that the node was not asked for yet is not asked for: the node would hear of its end
// first, and keep it.
func (l *link) Leave(id int64) {
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

// forget drops what is still to be asked.
func (l *link) forget() {
	l.out.Lock()
	defer l.out.Unlock()
	l.out.join, l.out.order, l.out.leave, l.out.positionAt = nil, nil, nil, 0
}

// abort ends the present stream, if there is one.
func (l *link) abort(cause error) {
	l.out.Lock()
	defer l.out.Unlock()
	if l.out.breakOff != nil {
		l.out.breakOff(cause)
	}
}
