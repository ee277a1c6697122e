package election

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
)

const (
	// ClaimInterval is how often the ingester repeats its claim.
	ClaimInterval = 400 * time.Millisecond
	// Silence is how long a node hears no claim before it makes one. With longerMax and ClaimInterval on top, another
	// node ingests within three seconds of the end of one. A node that has just started waits for one ClaimInterval, in
	// which it would hear the ingester.
	Silence = 2 * time.Second
	// longerMax is how much longer than Silence a node may wait, by chance.
	longerMax = 400 * time.Millisecond
)

// Channel is how nodes hear of each other's claims. It may lose them.
type Channel interface {
	// Node is this node's number.
	Node() uint64
	// Claim tells the other nodes.
	Claim(c broadcast.Claim) error
	// Claims yields what they say.
	Claims() <-chan broadcast.Claim
}

// Config says what a Candidate works with. All fields are required.
type Config struct {
	Logger  *slog.Logger
	Channel Channel
	// Able tells whether this node can ingest. One that cannot leaves the work to others.
	Able func() bool
	// Work ingests until its context ends.
	Work func(ctx context.Context)
}

// Candidate has one node work at a time.
type Candidate struct {
	Config
	ballot ballot
	longer time.Duration
	// stop ends the work and waits for it, nil while there is none.
	stop func()
}

// New returns a candidate that Run follows.
func New(cfg Config) *Candidate {
	return &Candidate{
		Config: cfg,
		ballot: ballot{node: cfg.Channel.Node(), silence: Silence},
		longer: rand.N(longerMax),
	}
}

// Run works whenever it is this node's turn, until ctx ends; it fails for no other reason. Then it tells the others, so
// that they need not wait.
func (d *Candidate) Run(ctx context.Context) error {
	d.ballot.heardAt = time.Now()
	ticker := time.NewTicker(ClaimInterval)
	defer ticker.Stop()
	defer d.resign()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-d.Channel.Claims():
			if d.ballot.heard(c, time.Now()) {
				d.Logger.Info("another watch node ingests the commit feed, this one stops", "term", c.Term)
				d.stopWork()
			}
		case <-ticker.C:
			d.tick(ctx, time.Now())
		}
	}
}

func (d *Candidate) tick(ctx context.Context, now time.Time) {
	switch able := d.Able(); {
	case d.ballot.held() && !able:
		d.Logger.Warn("this watch node cannot ingest the commit feed, leaving it to another", "term", d.ballot.term)
		d.resign()
		d.ballot.leave(now)
		return
	case able && d.ballot.due(now, d.longer):
		d.ballot.take()
		d.Logger.Info("this watch node ingests the commit feed now", "term", d.ballot.term)
		d.startWork(ctx)
	}
	if d.ballot.held() {
		d.tell(d.ballot.claim())
	}
}

func (d *Candidate) startWork(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.Work(ctx)
	}()
	d.stop = func() {
		cancel()
		<-done
	}
}

func (d *Candidate) stopWork() {
	if d.stop != nil {
		d.stop()
		d.stop = nil
	}
}

// resign stops the work, if there is any, and tells the others.
func (d *Candidate) resign() {
	if d.stop == nil {
		return
	}
	d.stopWork()
	c := d.ballot.claim()
	c.Resigned = true
	d.tell(c)
}

func (d *Candidate) tell(c broadcast.Claim) {
	if err := d.Channel.Claim(c); err != nil {
		d.Logger.Warn("claim to ingest not told", "error", err)
	}
}
