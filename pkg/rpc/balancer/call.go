package balancer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/pkg/errdefs"
	"github.com/quoratedb/quorate/pkg/rpc/batching"
)

// Picker says which node a call is made on.
type Picker[S any] interface {
	// Pick chooses among the nodes that can be called; nil if none of them will do.
	Pick(backends []*Backend[S]) *Backend[S]
	// Keep tells whether a call that waits for the answer of the node b should go on doing so, now that the nodes are
	// these. It is asked for calls that may be made again.
	Keep(backends []*Backend[S], b *Backend[S]) bool
}

// CallOptions says how a call may be made.
type CallOptions[S any] struct {
	Picker Picker[S]
	RetryPolicy
	// Long says that the answer may take as long as its caller waits: CallTimeout bounds the wait for a node alone.
	Long bool
}

// refusedPause is how soon a call that was refused is made again while nothing else changes.
const refusedPause = 100 * time.Millisecond

var (
	// errNobody says that no node will do at the moment.
	errNobody = errors.New("no node to ask can be reached")
	// errElsewhere ends an attempt on a node that should not be waited for any more.
	errElsewhere = errors.New("another node is the one to ask now")
)

// Call makes a call. It fails with what the service returned, with the cause of ctx's end, and with
// errdefs.ErrLeaderChanged when the outcome is open. A caller that sets no time gets errdefs.ErrTimeout after Config.CallTimeout.
func (b *Balancer[S]) Call(ctx context.Context, options CallOptions[S], method string, request, response proto.Message) error {
	patience := ctx // to wait for a node with
	if limit := b.config.CallTimeout; limit > 0 && !endsWithin(ctx, limit) {
		var cancel context.CancelFunc
		patience, cancel = context.WithTimeoutCause(ctx, limit, errdefs.ErrTimeout)
		defer cancel()
		if !options.Long {
			ctx = patience
		}
	}
	for {
		view := b.View()
		err := b.attempt(ctx, options, view, method, request, response)
		verdict := options.judge(err)
		if ctx.Err() != nil && (unanswered(err) || verdict == soon) {
			return fmt.Errorf("%s: %w: %w", method, err, context.Cause(ctx))
		}
		switch verdict {
		case final:
			return err
		case unknown:
			return outcomeOpen(err)
		case elsewhere:
			continue
		case later, soon:
		}
		if !view.await(patience, verdict == soon) {
			return fmt.Errorf("%s: %w: %w", method, err, context.Cause(patience))
		}
	}
}

// endsWithin tells whether a context ends so soon by itself, as those of clients' requests do: it needs no other end, which would cost a context and
// a place among what its parent ends.
func endsWithin(ctx context.Context, limit time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= limit
}

// unanswered tells errors of calls of which no node has said anything.
func unanswered(err error) bool {
	return errors.Is(err, errNobody) || errors.Is(err, errElsewhere) || errors.Is(err, batching.ErrUnsent) || errors.Is(err, batching.ErrLost)
}

// await waits until there is another view, for what failed, and why, shows there; soon means that it need not. It returns
// false when ctx ends.
func (v *View[S]) await(ctx context.Context, soon bool) bool {
	var again <-chan time.Time
	if soon {
		timer := time.NewTimer(refusedPause)
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-v.Changed:
	case <-again:
	case <-ctx.Done():
		return false
	}
	return true
}

// attempt makes the call on one node.
func (b *Balancer[S]) attempt(ctx context.Context, options CallOptions[S], view *View[S], method string, request, response proto.Message) error {
	backend := options.Picker.Pick(view.Backends)
	if backend == nil {
		return errNobody
	}
	if !options.Idempotent {
		return backend.conn.Call(ctx, batching.Change, method, request, response)
	}
	pending, err := backend.conn.Start(ctx, batching.Look, method, request)
	if err != nil {
		return err
	}
	for {
		err := pending.Wait(ctx, view.Changed, response)
		if !errors.Is(err, batching.ErrInterrupted) {
			return err
		}
		if view = b.View(); !b.connected(view, backend) || !options.Picker.Keep(view.Backends, backend) {
			pending.Abandon()
			return errElsewhere
		}
	}
}

// connected tells whether the stream of a backend is in the view, whatever the node stands for by now.
func (b *Balancer[S]) connected(view *View[S], backend *Backend[S]) bool {
	for _, other := range view.Backends {
		if other.conn == backend.conn {
			return true
		}
	}
	return false
}
