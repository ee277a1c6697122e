package match

import (
	"context"
	"time"

	"github.com/quoratedb/quorate/pkg/delivery"
)

// Pace does what is due by the clock, until ctx ends: it announces whether there are watchers, and sends progress to
// the watches that asked for it and have heard nothing for a while.
func (n *Node) Pace(ctx context.Context, announcer Announcer) error {
	announce := time.NewTicker(announcer.AnnounceInterval())
	defer announce.Stop()
	progress := time.NewTicker(n.cfg.ProgressInterval)
	defer progress.Stop()
	announced := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.announce:
		case <-announce.C:
		case <-progress.C:
			n.sendProgress()
			continue
		}
		watching := n.watching()
		if !watching && !announced && !announcer.AlwaysAnnounce() {
			continue
		}
		if err := announcer.Announce(watching); err != nil {
			n.cfg.Log.Warn("watchers not announced", "error", err)
			continue
		}
		announced = watching
	}
}

// watching tells whether this node wants to be told what happens: if it has watches, or API nodes that may have one any
// moment and should not have to read then what went by.
func (n *Node) watching() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.watches > 0 || n.mu.attached > 0
}

func (n *Node) watchers() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.watches
}

// sendProgress queues progress for the watches to which nothing was delivered since the last time.
func (n *Node) sendProgress() {
	n.mu.Lock()
	defer n.mu.Unlock()
	position := n.Position()
	for w := range n.mu.notified {
		switch {
		case w.group == nil:
		case !w.quiet:
			w.quiet = true
		default:
			// If there is no room, there is something to deliver, and no need to say that there is nothing.
			w.session.push(&entry{
				delivery: delivery.Delivery{ID: w.id, Revision: position},
				watch:    w,
				after:    position,
			})
		}
	}
}
