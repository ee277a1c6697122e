package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"golang.org/x/sync/errgroup"
)

// Retries of the feed start after retryMin and double up to retryMax.
const (
	retryMin = 50 * time.Millisecond
	retryMax = 2 * time.Second
)

// Feed is what the ingester asks of consensus.
type Feed interface {
	// Tail sends commits from a revision on, without gaps, until ctx ends or send fails.
	Tail(ctx context.Context, req *consensusv1.TailRequest, send func(*consensusv1.TailResponse) error) error
	// History reads the events of a commit that the feed leaves out.
	History(ctx context.Context, req *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error)
	// Position tells the newest revision.
	Position(ctx context.Context, req *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error)
}

// Publisher is what carries batches away. It may lose them.
type Publisher interface {
	Publish(m *broadcast.Message) (bytes int, err error)
	// Interested tells whether anybody listens, InterestChanged yields a token when somebody begins to.
	Interested() bool
	InterestChanged() <-chan struct{}
}

// Outside is where events go besides: to users' NATS clients. It may lose them.
type Outside interface {
	Commits(commits []*consensusv1.Commit)
	// Position tells how far the ingester is, every second.
	Position(revision int64)
}

// Config says what an ingester works with. All fields but Outside and Store are required.
type Config struct {
	Logger    *slog.Logger
	Feed      Feed
	Publisher Publisher
	// Outside is nil where nobody can listen there; Wanted tells whether anybody may.
	Outside Outside
	Wanted  func() bool
	Metrics *Metrics
	// Store is which store the feed is of, for those who hear of its commits; nil where nobody asks.
	Store []byte
	// HeartbeatInterval is how often the ingester says where it is while anybody listens and there was nothing else to say.
	HeartbeatInterval time.Duration
	// BatchBytesMax is where a batch is full, as estimated; one commit may exceed it.
	BatchBytesMax int
	// QueueBytesMax is how much may wait to be published before the feed is made to wait.
	QueueBytesMax int
}

// Ingester publishes the commit feed.
//
// Two goroutines share a bounded queue: one takes commits from the feed, the other publishes all that queued up while
// it was publishing before. So a batch is one commit when the store is idle and many when it is busy, with no timer.
// While nobody listens, commits are dropped at the queue's end: what remains to be done for each is next to nothing.
type Ingester struct {
	Config
	queue *queue
}

// New returns an ingester that Run sets to work.
func New(cfg Config) *Ingester {
	return &Ingester{Config: cfg, queue: newQueue(cfg.QueueBytesMax)}
}

// Run publishes everything after a revision, until ctx ends; it fails for no other reason.
func (i *Ingester) Run(ctx context.Context, after int64) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return i.tail(ctx, after) })
	group.Go(func() error { return i.publish(ctx, after) })
	return group.Wait()
}

// tail keeps a stream of the feed open, resuming where the last one ended.
func (i *Ingester) tail(ctx context.Context, after int64) error {
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		before := after
		err := i.Feed.Tail(ctx, &consensusv1.TailRequest{FromRevision: after + 1, AllowLeftOut: true}, func(resp *consensusv1.TailResponse) error {
			fresh, err := following(resp.GetCommits(), after)
			if err != nil {
				return err
			}
			newest := after
			if len(fresh) > 0 {
				newest = fresh[len(fresh)-1].Revision
			}
			i.Metrics.lag.Set(float64(max(0, resp.GetHead()-newest)))
			if len(fresh) == 0 {
				return nil
			}
			after = fresh[len(fresh)-1].Revision
			return i.queue.add(ctx, fresh)
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		i.Metrics.tailRestarts.Inc()
		if errors.Is(err, errdefs.ErrCompacted) {
			after = i.leap(ctx, after)
		}
		if after > before {
			wait = retryMin
		}
		i.Logger.Warn("commit feed ended, will resume", "after_revision", after, "wait", wait, "error", err)
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// leap gives up the revisions between after and the store's newest, which the feed no longer has: this happens when
// a member took in a snapshot, or the ingester was away for long. Nodes see the gap and tell the watchers that it concerns.
func (i *Ingester) leap(ctx context.Context, after int64) int64 {
	position, err := i.Feed.Position(ctx, &consensusv1.PositionRequest{})
	if err != nil || position.GetRevision() <= after {
		return after
	}
	i.Logger.Warn("commit feed is compacted, skipping", "after_revision", after, "to_revision", position.Revision)
	i.queue.leap(position.Revision)
	return position.Revision
}

// following leaves out commits that are known, and fails if there is a gap.
func following(commits []*consensusv1.Commit, after int64) ([]*consensusv1.Commit, error) {
	for len(commits) > 0 && commits[0].Revision <= after {
		commits = commits[1:]
	}
	for n, commit := range commits {
		if want := after + 1 + int64(n); commit.Revision != want {
			return nil, fmt.Errorf("commit feed sent revision %d, not %d", commit.Revision, want)
		}
	}
	return commits, nil
}

// publish sends what queues up, and a heartbeat when nothing did for a while or somebody begins to listen.
func (i *Ingester) publish(ctx context.Context, through int64) error {
	heartbeat := time.NewTicker(i.HeartbeatInterval)
	defer heartbeat.Stop()
	position := time.NewTicker(positionInterval)
	defer position.Stop()
	quiet := true // nothing was published since the last tick
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-i.queue.filled:
			for ctx.Err() == nil {
				commits, reached := i.queue.take(i.BatchBytesMax)
				if reached <= through {
					break
				}
				// First, so that whoever takes over ingesting, where its node is, has left out no event of these.
				if i.outside() {
					i.tellOutside(ctx, commits)
				}
				if i.Publisher.Interested() {
					i.sendAll(reached-int64(len(commits)), reached, commits)
					quiet = false
				}
				through = reached
			}
		case <-i.Publisher.InterestChanged():
			i.send(&broadcast.Message{Follows: through, Through: through})
		case <-position.C:
			if i.outside() {
				i.Outside.Position(through)
			}
		case <-heartbeat.C:
			if quiet && i.Publisher.Interested() {
				i.send(&broadcast.Message{Follows: through, Through: through})
			}
			quiet = true
		}
	}
}

// positionInterval is how often those outside are told how far the ingester is.
const positionInterval = time.Second

func (i *Ingester) outside() bool { return i.Outside != nil && i.Wanted() }

// tellOutside publishes commits to those outside; the events of one that the feed leaves out come from history. What cannot be
// read is lost: subscribers find out by the revisions.
func (i *Ingester) tellOutside(ctx context.Context, commits []*consensusv1.Commit) {
	for n, commit := range commits {
		if !commit.LeftOut {
			continue
		}
		i.Outside.Commits(commits[:n])
		resp, err := i.Feed.History(ctx, &consensusv1.HistoryRequest{FromRevision: commit.Revision, ToRevision: commit.Revision})
		if err != nil {
			i.Logger.Warn("events of a large commit not published to NATS clients", "revision", commit.Revision, "error", err)
		}
		i.Outside.Commits(resp.GetCommits())
		i.tellOutside(ctx, commits[n+1:])
		return
	}
	i.Outside.Commits(commits)
}

// sendAll publishes the commits that lead from a revision to another, or, without them, that it is read there. One that is left
// out is a message of its own without commits.
func (i *Ingester) sendAll(follows, reached int64, commits []*consensusv1.Commit) {
	send := func(part []*consensusv1.Commit, through int64) {
		if through > follows || len(commits) == 0 {
			i.send(&broadcast.Message{Follows: follows, Through: through, Commits: part})
			follows = through
		}
	}
	begin := 0
	for n, commit := range commits {
		if commit.LeftOut {
			send(commits[begin:n], commit.Revision-1)
			send(nil, commit.Revision)
			begin = n + 1
		}
	}
	if begin < len(commits) || len(commits) == 0 {
		send(commits[begin:], reached)
	}
}

// send publishes m, without its commits if they do not fit. What fails is lost: the next message shows it.
func (i *Ingester) send(m *broadcast.Message) {
	m.Store = i.Store
	bytes, err := i.Publisher.Publish(m)
	if errors.Is(err, broadcast.ErrTooLarge) {
		i.Metrics.notices.Inc()
		m.Commits = nil
		bytes, err = i.Publisher.Publish(m)
	}
	if err != nil {
		i.Logger.Warn("batch not published", "error", err)
		return
	}
	i.Metrics.batches.Inc()
	i.Metrics.bytes.Add(float64(bytes))
	i.Metrics.commits.Add(float64(len(m.Commits)))
}

func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
