package node

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/quoratedb/quorate/services/watch/internal/match"
)

// Node matches the commit feed against the watches of its sessions. One goroutine, in Run, moves the position, a message at
// a time.
type Node struct{ *shared }

// New returns a node that Run sets to work. Sessions may be opened at once; what they watch begins with Run.
func New(cfg Config) *Node { return &Node{newShared(cfg)} }

// Run takes messages from source, the first of which is expected to follow revision after, until ctx ends. Then it
// closes all sessions. It fails if ctx ends or source does, and may be called once.
func (n *Node) Run(ctx context.Context, source Source, after int64) error {
	n.start(after)
	defer n.Stop()
	for {
		m, err := source.Receive(ctx)
		if err != nil {
			return fmt.Errorf("watch node: %w", err)
		}
		deliveries, woken := n.told()
		if err := n.handle(ctx, m); err != nil {
			return err
		}
		deliveriesNow, wokenNow := n.told()
		if wait := pauseAfter(len(m.Commits), deliveriesNow-deliveries, wokenNow-woken); wait > 0 {
			if err := pause(ctx, wait); err != nil {
				return fmt.Errorf("watch node: %w", err)
			}
		}
	}
}

func (n *Node) start(after int64) {
	n.change(func(t *match.Table) { t.Begin(after) })
	close(n.ready)
}

// Stop closes all sessions, also those that will be opened. It may be called twice, and without Run.
func (n *Node) Stop() {
	n.mu.Lock()
	n.mu.stopped = true
	sessions := slices.Collect(maps.Keys(n.mu.sessions))
	n.mu.Unlock()
	for _, s := range sessions {
		s.Close()
	}
}

// Restart ends all sessions, whose clients may open others, and goes on from a revision of what is another store than before.
func (n *Node) Restart(revision int64) {
	n.mu.Lock()
	sessions := slices.Collect(maps.Keys(n.mu.sessions))
	n.mu.table.Begin(revision)
	n.position.Store(revision)
	n.mu.Unlock()
	for _, s := range sessions {
		s.Close()
	}
}

// handle moves the position to where the message leads.
func (n *Node) handle(ctx context.Context, m *broadcast.Message) error {
	// What the message does not hold has to come from elsewhere.
	missing := m.Follows
	if len(m.Commits) == 0 {
		missing = m.Through
	}
	era, err := n.bridge(ctx, missing)
	if err != nil || len(m.Commits) == 0 {
		return err
	}
	n.change(func(t *match.Table) {
		if t.Era() == era {
			t.Match(m.Commits, m.Through)
		}
	})
	return nil
}

// Reach brings the position to a revision, whatever the source brings meanwhile. It fails if ctx ends.
func (n *Node) Reach(ctx context.Context, revision int64) error {
	select {
	case <-n.ready:
		_, err := n.bridge(ctx, revision)
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// bridge moves the position to a revision, however long it takes to read what is missing, and returns the era that it was
// called in.
func (n *Node) bridge(ctx context.Context, to int64) (era int64, err error) {
	var gap *match.Gap
	n.change(func(t *match.Table) {
		era = t.Era()
		gap = t.Bridge(to)
	})
	if gap == nil {
		return era, nil
	}
	return era, n.fill(ctx, gap, to)
}

// fill reads what a gap asks for.
func (n *Node) fill(ctx context.Context, gap *match.Gap, to int64) error {
	for {
		n.mu.Lock()
		request := gap.Request()
		n.mu.Unlock()
		if request == nil {
			return nil
		}
		resp, err := n.cfg.History.History(ctx, request)
		n.counts.reads.Add(1)
		if ctx.Err() != nil {
			return fmt.Errorf("read missed commits: %w", ctx.Err())
		}
		var outcome match.Outcome
		n.change(func(*match.Table) { outcome = gap.Answer(resp, err) })
		log := n.cfg.Logger.With("from_revision", request.FromRevision, "to_revision", to)
		switch outcome {
		case match.Compacted:
			log.Warn("missed commits are compacted")
		case match.Unreadable:
			log.Error("cannot read a large commit; each watch reads it for itself", "from_event", request.FromSub, "error", err)
		case match.Failed:
			log.Warn("cannot read missed commits yet", "error", err)
			if err := pause(ctx, gap.Wait()); err != nil {
				return fmt.Errorf("read missed commits: %w", err)
			}
		}
	}
}
