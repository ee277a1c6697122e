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

// Config says what a Duty works with. All fields are required.
type Config struct {
	Log     *slog.Logger
	Channel Channel
	// Able tells whether this node can ingest. One that cannot leaves the work to others.
	Able func() bool
	// Work ingests until its context ends.
	Work func(ctx context.Context)
}

// Duty has one node work at a time.
type Duty struct {
	Config
	seat   seat
	longer time.Duration
	// stop ends the work and waits for it, nil while there is none.
	stop func()
}

// New returns a duty that Run follows.
func New(cfg Config) *Duty {
	return &Duty{
		Config: cfg,
		seat:   seat{node: cfg.Channel.Node(), silence: Silence},
		longer: rand.N(longerMax),
	}
}

// Run works whenever it is this node's turn, until ctx ends; it fails for no other reason. Then it tells the others, so
// that they need not wait.
func (d *Duty) Run(ctx context.Context) error {
	d.seat.heardAt = time.Now()
	ticker := time.NewTicker(ClaimInterval)
	defer ticker.Stop()
	defer d.resign()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-d.Channel.Claims():
			if d.seat.heard(c, time.Now()) {
				d.Log.Info("another watch node ingests the commit feed, this one stops", "term", c.Term)
				d.stopWork()
			}
		case <-ticker.C:
			d.tick(ctx, time.Now())
		}
	}
}

func (d *Duty) tick(ctx context.Context, now time.Time) {
	switch able := d.Able(); {
	case d.seat.held() && !able:
		d.Log.Warn("this watch node cannot ingest the commit feed, leaving it to another", "term", d.seat.term)
		d.resign()
		d.seat.leave(now)
		return
	case able && d.seat.due(now, d.longer):
		d.seat.take()
		d.Log.Info("this watch node ingests the commit feed now", "term", d.seat.term)
		d.startWork(ctx)
	}
	if d.seat.held() {
		d.tell(d.seat.claim())
	}
}

func (d *Duty) startWork(ctx context.Context) {
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

func (d *Duty) stopWork() {
	if d.stop != nil {
		d.stop()
		d.stop = nil
	}
}

// resign stops the work, if there is any, and tells the others.
func (d *Duty) resign() {
	if d.stop == nil {
		return
	}
	d.stopWork()
	c := d.seat.claim()
	c.Resigned = true
	d.tell(c)
}

func (d *Duty) tell(c broadcast.Claim) {
	if err := d.Channel.Claim(c); err != nil {
		d.Log.Warn("claim to ingest not told", "error", err)
	}
}
