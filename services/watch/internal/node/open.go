package node

import (
	"context"

	"github.com/quoratedb/quorate/services/watch/internal/match"
	"github.com/quoratedb/quorate/services/watch/internal/sessionqueue"
)

// Open implements the watch service's Open.
func (n *Node) Open() *Session {
	return n.open(n.cfg.SessionDeliveriesMax, n.cfg.SessionBytesMax, false)
}

// Attach starts the session of an API node.
func (n *Node) Attach() *Attached {
	return &Attached{n.open(n.cfg.AttachedDeliveriesMax, n.cfg.AttachedBytesMax, true)}
}

func (n *Node) open(deliveriesMax, bytesMax int, attached bool) *Session {
	s := &Session{shared: n.shared, attached: attached}
	s.mu.queue, s.mu.wake = sessionqueue.New[*match.Watch](deliveriesMax, bytesMax), sessionqueue.NewWake()
	s.life, s.end = context.WithCancel(context.Background())
	s.mu.watches = make(map[int64]*match.Watch)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.stopped {
		s.mu.closed = true
		s.end()
		return s
	}
	n.mu.sessions[s] = struct{}{}
	if s.attached {
		if n.mu.attached++; n.mu.attached == 1 {
			token(n.announce)
		}
	}
	return s
}
