package node

import (
	"context"
	"time"

	"github.com/quoratedb/quorate/services/watch/internal/match"
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
			n.change((*match.Table).TellQuiet)
			continue
		}
		watching := n.watching()
		if !watching && !announced && !announcer.AlwaysAnnounce() {
			continue
		}
		if err := announcer.Announce(watching); err != nil {
			n.cfg.Logger.Warn("watchers not announced", "error", err)
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
	return n.mu.table.Len() > 0 || n.mu.attached > 0
}
