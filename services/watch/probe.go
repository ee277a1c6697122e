package watch

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

const (
	// probeInterval is how often a watch node asks consensus for the newest revision.
	probeInterval = time.Second
	// probeTimeout bounds one question.
	probeTimeout = time.Second
	// probeTTL is how long after its last answer a node counts as well.
	probeTTL = 3 * time.Second
	// lagBeatsMax is how many probes in a row may find the broadcast behind before the ingester counts as unable.
	lagBeatsMax = 3
)

// probe keeps a watch node in touch with consensus, beside the broadcast. It asks for a revision that a quorum confirms,
// and where the node has not reached, a probe later, what it heard, the broadcast has failed it and the node reads the
// rest. So nothing that NATS or other nodes do can hold up an event for longer than two probes. It also tells whether
// the node is of any use.
type probe struct {
	log  *slog.Logger
	feed ConfirmedFeed
	// position is how far the node is, reach brings it to a revision.
	position func() int64
	reach    func(ctx context.Context, revision int64) error
	// answers tells whether this node's own broadcast is to blame when it is behind: it ingests, and somebody listens. Where
	// nobody ingests every node is behind for as long as writes go on, and one of them has to begin all the same.
	answers func() bool
	// wentBack is told when the confirmed revision is below the position: it is another store, or one that was restored.
	wentBack func(confirmed int64)

	newest  atomic.Int64
	heardAt atomic.Int64 // nanoseconds since start
	behind  atomic.Int64 // probes in a row that found this node's own broadcast behind
	start   time.Time

	reading sync.WaitGroup // at most one reach
	busy    atomic.Bool    // while it runs
}

// run asks until ctx ends; it fails for no other reason.
func (p *probe) run(ctx context.Context) error {
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	defer p.reading.Wait()
	for {
		p.beat(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (p *probe) beat(ctx context.Context) {
	before, reached := p.newest.Load(), p.position()
	asking, cancel := context.WithTimeout(ctx, probeTimeout)
	resp, err := p.feed.ReadIndex(asking, &consensusv1.ReadIndexRequest{})
	cancel()
	if err != nil {
		if ctx.Err() == nil {
			p.log.Warn("consensus does not confirm its revision", "error", err)
		}
		return
	}
	if resp.GetRevision() < reached {
		p.log.Error("the store went back: its watches end and begin anew", "position", reached, "revision", resp.GetRevision())
		p.wentBack(resp.GetRevision())
		before = 0
	}
	p.newest.Store(resp.GetRevision())
	p.heardAt.Store(int64(time.Since(p.start)))
	if p.position() >= before {
		p.behind.Store(0)
		return
	}
	if !p.busy.CompareAndSwap(false, true) {
		return // it is being read
	}
	if p.answers() {
		p.behind.Add(1)
	} else {
		p.behind.Store(0)
	}
	// Beside the questions: a node that reads for long hears consensus all the same, and no other has less to read.
	p.reading.Go(func() {
		defer p.busy.Store(false)
		p.log.Debug("broadcast is behind, reading", "position", p.position(), "revision", before)
		if err := p.reach(ctx, before); err != nil && ctx.Err() == nil {
			p.log.Warn("cannot read what the broadcast did not bring", "error", err)
		}
	})
}

// well tells whether the node hears consensus.
func (p *probe) well() bool {
	at := p.heardAt.Load()
	return at > 0 && time.Since(p.start)-time.Duration(at) < probeTTL
}

// able tells whether the node can ingest: it hears consensus, and its broadcast keeps up if it does ingest.
func (p *probe) able() bool { return p.well() && p.behind.Load() < lagBeatsMax }
