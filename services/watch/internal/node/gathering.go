package node

import (
	"context"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/quoratedb/quorate/services/watch/internal/memorysize"
)

// A client that is told something is woken for it: twice here, for its queue and for its connection, which is a system call, and as often at
// its end of the wire. That costs ten times what a message to one of its watches does. So after a step that woke many clients for little,
// the node lets a moment go by before the next, and what is written meanwhile is matched as one: each client is woken for it once.
//
// The moment follows from what the last step cost. So where few listen there is none, and what is written after a quiet time is told at once. There is
// none either where the messages themselves keep everybody busy: commits gather by themselves then.
const (
	// clientPause is for each client that was woken, some eight times what that takes of a processor here. deliveryTime is about what one delivery takes.
	clientPause  = 80 * time.Microsecond
	deliveryTime = time.Microsecond
	// pauseMax is the most that an event waits, pauseMin what is not worth a timer.
	pauseMax = time.Millisecond
	pauseMin = 200 * time.Microsecond
)

// pauseAfter is how long after a step the next begins.
func pauseAfter(deliveries, woken int64) time.Duration {
	pause := time.Duration(woken)*clientPause - time.Duration(deliveries)*deliveryTime
	if pause < pauseMin {
		return 0
	}
	return min(pause, pauseMax)
}

// gathering receives messages for a node, several as one while the node is to wait. It belongs to the goroutine in Run.
type gathering struct {
	node   *Node
	source Source
	// held was received and did not go with what came before. It is next.
	held *broadcast.Message
	// due is when the next step may begin; deliveries and woken are those up to the last.
	due               time.Time
	deliveries, woken int64
}

// handled says that what receive has returned was dealt with.
func (g *gathering) handled(now time.Time) {
	deliveries, woken, _ := g.node.told()
	g.due = now.Add(pauseAfter(deliveries-g.deliveries, woken-g.woken))
	g.deliveries, g.woken = deliveries, woken
}

// receive waits for the next message, and for the moment at which it is due. What comes until then and follows goes with it; what
// does not ends the wait, so a source is never slower for it. It fails as the source does.
func (g *gathering) receive(ctx context.Context) (*broadcast.Message, error) {
	if m := g.held; m != nil {
		g.held = nil
		return m, nil
	}
	for {
		m, err := g.source.Receive(ctx)
		if err != nil {
			return nil, err
		}
		left := time.Until(g.due)
		if left <= 0 || len(m.Commits) == 0 {
			return m, nil
		}
		_, _, before := g.node.told()
		m = g.gather(ctx, m, left)
		// Of a store that was replaced meanwhile nobody is to hear any more.
		if _, _, era := g.node.told(); era == before {
			return m, nil
		}
		if g.held != nil {
			return g.receive(ctx)
		}
	}
}

// gather returns m together with what follows it and comes within a time, up to a delivery's worth.
func (g *gathering) gather(ctx context.Context, m *broadcast.Message, within time.Duration) *broadcast.Message {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	all := &broadcast.Message{Store: m.Store, Follows: m.Follows, Through: m.Through}
	bytes := 0
	add := func(commits []*consensusv1.Commit) {
		for _, commit := range commits {
			bytes += memorysize.Commit(commit)
		}
		all.Commits = append(all.Commits, commits...) // a slice of our own: others have those of the messages
	}
	for add(m.Commits); bytes < g.node.cfg.DeliveryBytesMax; {
		next, err := g.source.Receive(ctx)
		switch {
		case err != nil:
			return all // the time is over; and if anything else is, the next Receive tells
		case next.Through <= all.Through:
			continue // known
		case next.Follows != all.Through || len(next.Commits) == 0:
			g.held = next
			return all
		}
		add(next.Commits)
		all.Through = next.Through
	}
	return all
}
