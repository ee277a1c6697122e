// Package compactor drops old history without being asked, by etcd's rules: all that is older than a time, or all but
// the newest so many revisions. It decides when and up to where; it does not compact.
package compactor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

const (
	// intervalMax is the longest time between two compactions by age, whatever the retention.
	intervalMax = time.Hour
	// samplesPerInterval is how often in an interval the revision is noted, and how soon a failed compaction is tried
	// again.
	samplesPerInterval = 10
	// revisionsInterval is the time between two compactions by number.
	revisionsInterval = 5 * time.Minute
)

// Store is what is compacted.
type Store interface {
	// Revision returns the newest revision.
	Revision() int64
	// Leading says whether this member leads. Only the leader's compactor acts; the others' keep watching, so that a new
	// leader knows at once what is old.
	Leading() bool
	// Compact makes revision the oldest that can be read, or returns errdefs.ErrCompacted if it is below that already.
	Compact(ctx context.Context, revision int64) error
}

// Ticks returns a channel that delivers at intervals, and what stops it.
type Ticks func(interval time.Duration) (c <-chan time.Time, stop func())

// SystemTicks are those of the time package.
func SystemTicks(interval time.Duration) (<-chan time.Time, func()) {
	t := time.NewTicker(interval)
	return t.C, t.Stop
}

// Config says what a Compactor keeps: at most one of Retention and Revisions is set, none keeps everything.
type Config struct {
	Store Store
	// Retention is how old a revision may be before it goes.
	Retention time.Duration
	// Revisions is how many of the newest stay.
	Revisions int64
	// Logger may be nil.
	Logger *slog.Logger
	// Ticks may be nil for SystemTicks. No other clock is read.
	Ticks Ticks
}

// Compactor compacts a Store at intervals while its Run runs.
type Compactor struct {
	store Store
	log   *slog.Logger
	ticks Ticks
	// interval is the time between two ticks; choose returns the revision to compact at a tick, 0 for none.
	interval time.Duration
	choose   func(newest int64) int64
	// compacted is told what choose chose, once that is done.
	compacted func(revision int64)
}

// New returns a Compactor that does nothing yet.
func New(o Config) *Compactor {
	c := &Compactor{store: o.Store, log: o.Logger, ticks: o.Ticks}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.ticks == nil {
		c.ticks = SystemTicks
	}
	switch {
	case o.Retention > 0:
		age := newByAge(o.Retention)
		c.interval, c.choose, c.compacted = age.sampling, age.choose, age.compacted
		c.log = c.log.With("retention", o.Retention)
	case o.Revisions > 0:
		number := &byNumber{keep: o.Revisions}
		c.interval, c.choose, c.compacted = revisionsInterval, number.choose, number.compacted
		c.log = c.log.With("revisions", o.Revisions)
	}
	return c
}

// Run compacts until ctx is done and returns nil. It may be called once.
func (c *Compactor) Run(ctx context.Context) error {
	if c.choose == nil {
		<-ctx.Done()
		return nil
	}
	tick, stop := c.ticks(c.interval)
	defer stop()
	// The revision at the start counts as a sample: the first compaction by age comes one retention after it.
	c.choose(c.store.Revision())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
		revision := c.choose(c.store.Revision())
		if revision > 0 && c.store.Leading() {
			c.compact(ctx, revision)
		}
	}
}

func (c *Compactor) compact(ctx context.Context, revision int64) {
	err := c.store.Compact(ctx, revision)
	switch {
	case err == nil:
		c.log.Info("auto-compaction done", "revision", revision)
	case errors.Is(err, errdefs.ErrCompacted):
		c.log.Debug("auto-compaction found it done already", "revision", revision)
	case ctx.Err() != nil:
		return
	default:
		c.log.Warn("auto-compaction failed, will be tried again", "revision", revision, "in", c.interval, "error", err)
		return
	}
	c.compacted(revision)
}

// byAge keeps the revisions of one retention, noted at every tick: the oldest of a full window is what was newest one
// retention ago. It counts ticks instead of reading a clock; when ticks are missed, history is kept longer, never
// shorter.
type byAge struct {
	sampling time.Duration
	window   int // how many samples span the retention
	samples  []int64
	// wait is how many ticks must pass between two compactions, and idle how many have passed since the last.
	wait, idle int
	last       int64
}

// newByAge plans for a retention: 10 minutes are sampled every minute and compacted every 10; 24 hours are sampled every
// 6 minutes and compacted every hour.
func newByAge(retention time.Duration) *byAge {
	sampling := max(min(retention, intervalMax)/samplesPerInterval, 1)
	// Rounded up: a retention that is no multiple of its sampling is exceeded, not undercut.
	window := int((retention+sampling-1)/sampling) + 1
	return &byAge{sampling: sampling, window: window, wait: samplesPerInterval, idle: samplesPerInterval}
}

func (a *byAge) choose(newest int64) int64 {
	a.samples = append(a.samples, newest)
	if len(a.samples) > a.window {
		a.samples = a.samples[len(a.samples)-a.window:]
	}
	a.idle++
	if len(a.samples) < a.window || a.idle < a.wait || a.samples[0] == a.last {
		return 0
	}
	return a.samples[0]
}

func (a *byAge) compacted(revision int64) { a.last, a.idle = revision, 0 }

// byNumber keeps the newest revisions, as many as it is told.
type byNumber struct {
	keep int64
	last int64
}

func (n *byNumber) choose(newest int64) int64 {
	revision := newest - n.keep
	if revision <= 0 || revision == n.last {
		return 0
	}
	return revision
}

func (n *byNumber) compacted(revision int64) { n.last = revision }
