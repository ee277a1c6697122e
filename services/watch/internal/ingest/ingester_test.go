package ingest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/stretchr/testify/require"
)

// feed is the commit feed: streams send what the test puts on commits. before, if set, may fail one at its start.
type feed struct {
	commits  chan []*consensusv1.Commit
	before   func(from int64) error
	revision int64
	froms    []int64 // where streams began
}

func (f *feed) Tail(ctx context.Context, req *consensusv1.TailRequest, send func(*consensusv1.TailResponse) error) error {
	f.froms = append(f.froms, req.FromRevision)
	if f.before != nil {
		if err := f.before(req.FromRevision); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case commits := <-f.commits:
			if err := send(&consensusv1.TailResponse{Commits: commits}); err != nil {
				return err
			}
		}
	}
}

func (f *feed) History(_ context.Context, req *consensusv1.HistoryRequest) (*consensusv1.HistoryResponse, error) {
	return &consensusv1.HistoryResponse{Commits: commitsAt(req.FromRevision, req.ToRevision, 1), ThroughRevision: req.ToRevision}, nil
}

func (f *feed) Position(context.Context, *consensusv1.PositionRequest) (*consensusv1.PositionResponse, error) {
	return &consensusv1.PositionResponse{Revision: f.revision}, nil
}

// publisher remembers what was published, and may be made to wait.
type publisher struct {
	deaf     atomic.Bool // nobody listens
	changed  chan struct{}
	gate     chan struct{} // if set, each Publish takes a token first
	bytesMax int
	mu       struct {
		sync.Mutex
		sent []broadcast.Message
	}
}

func (p *publisher) Publish(m *broadcast.Message) (int, error) {
	if p.gate != nil {
		<-p.gate
	}
	bytes := 0
	for _, commit := range m.Commits {
		for _, event := range commit.Events {
			bytes += len(event.Kv.Value)
		}
	}
	if bytes > p.bytesMax {
		return 0, broadcast.ErrTooLarge
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.sent = append(p.mu.sent, *m)
	return bytes, nil
}

func (p *publisher) Interested() bool                 { return !p.deaf.Load() }
func (p *publisher) InterestChanged() <-chan struct{} { return p.changed }

// steps returns what the messages since the last call lead from and to, and how many commits each holds.
func (p *publisher) steps() [][3]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var steps [][3]int64
	for _, m := range p.mu.sent {
		if string(m.Store) != "store" {
			panic("a message does not say which store it is of")
		}
		steps = append(steps, [3]int64{m.Follows, m.Through, int64(len(m.Commits))})
	}
	p.mu.sent = nil
	return steps
}

// commitsAt returns a run of commits of about so many bytes each.
func commitsAt(from, to int64, bytes int) []*consensusv1.Commit {
	var commits []*consensusv1.Commit
	for ; from <= to; from++ {
		commits = append(commits, &consensusv1.Commit{Revision: from, Events: []*consensusv1.Event{{
			Kv: &mvccpb.KeyValue{ModRevision: from, Value: make([]byte, bytes)},
		}}})
	}
	return commits
}

// bubble runs a test beside an ingester that begins after revision 4. set may change its surroundings before.
func bubble(t *testing.T, set func(*feed, *publisher), test func(*testing.T, *feed, *publisher)) {
	synctest.Test(t, func(t *testing.T) {
		f := &feed{commits: make(chan []*consensusv1.Commit)}
		p := &publisher{changed: make(chan struct{}, 1), bytesMax: 1 << 20}
		if set != nil {
			set(f, p)
		}
		i := New(Config{
			Logger:            slog.New(slog.DiscardHandler),
			Feed:              f,
			Publisher:         p,
			Metrics:           NewMetrics(),
			HeartbeatInterval: time.Second,
			BatchBytesMax:     10_000,
			QueueBytesMax:     20_000,
			Store:             []byte("store"),
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- i.Run(ctx, 4) }()
		synctest.Wait()
		test(t, f, p)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// Goal: commits that come while a batch is on its way go into one batch, up to its limit, and the feed waits when too
// much has queued up. Method: a publisher that waits for the test.
func TestBatchesFormBehindPublish(t *testing.T) {
	bubble(t, func(_ *feed, p *publisher) { p.gate = make(chan struct{}) }, func(t *testing.T, f *feed, p *publisher) {
		f.commits <- commitsAt(5, 5, 10)
		synctest.Wait()
		f.commits <- commitsAt(6, 7, 10)
		f.commits <- commitsAt(8, 8, 10)
		f.commits <- commitsAt(9, 11, 9000)
		synctest.Wait()
		select {
		case f.commits <- commitsAt(12, 12, 10):
			t.Fatal("the queue is full, and the feed was not made to wait")
		default:
		}
		close(p.gate)
		synctest.Wait()
		f.commits <- commitsAt(12, 12, 10)
		synctest.Wait()
		require.Equal(t, [][3]int64{{4, 5, 1}, {5, 9, 4}, {9, 11, 2}, {11, 12, 1}}, p.steps())
	})
}

// Goal: while nobody listens nothing is published, and when somebody begins to, they hear at once how far things are.
// Method: commits without interest, then a token.
func TestNothingIsPublishedForNobody(t *testing.T) {
	bubble(t, func(_ *feed, p *publisher) { p.deaf.Store(true) }, func(t *testing.T, f *feed, p *publisher) {
		f.commits <- commitsAt(5, 90, 10)
		<-time.After(10*time.Second + 500*time.Millisecond)
		require.Empty(t, p.steps())
		p.deaf.Store(false)
		p.changed <- struct{}{}
		synctest.Wait()
		require.Equal(t, [][3]int64{{90, 90, 0}}, p.steps())
		f.commits <- commitsAt(91, 91, 10)
		synctest.Wait()
		require.Equal(t, [][3]int64{{90, 91, 1}}, p.steps())
	})
}

// Goal: heartbeats come when nothing else did. Method: made-up time, with a commit in one interval.
func TestHeartbeats(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *feed, p *publisher) {
		<-time.After(1500 * time.Millisecond)
		f.commits <- commitsAt(5, 5, 10)
		<-time.After(2 * time.Second)
		require.Equal(t, [][3]int64{{4, 4, 0}, {4, 5, 1}, {5, 5, 0}}, p.steps())
	})
}

// Goal: a commit over the payload limit travels as a notice, and what follows as usual. Method: a low limit.
func TestTooLargeTravelsAsNotice(t *testing.T) {
	bubble(t, func(_ *feed, p *publisher) { p.bytesMax = 100 }, func(t *testing.T, f *feed, p *publisher) {
		f.commits <- commitsAt(5, 5, 101)
		synctest.Wait()
		f.commits <- commitsAt(6, 6, 10)
		synctest.Wait()
		require.Equal(t, [][3]int64{{4, 5, 0}, {5, 6, 1}}, p.steps())
	})
}

// Goal: a feed that fails is resumed where it ended, nothing is published twice, and a feed that leaves a gap is not
// believed. Method: failures at start, known commits, a gap.
func TestFeedIsResumed(t *testing.T) {
	failures := 3
	bubble(t, func(f *feed, _ *publisher) {
		f.before = func(int64) error {
			if failures--; failures >= 0 {
				return errors.New("no leader")
			}
			return nil
		}
	}, func(t *testing.T, f *feed, p *publisher) {
		f.commits <- commitsAt(3, 6, 10)
		synctest.Wait()
		require.Equal(t, [][3]int64{{4, 6, 2}}, p.steps())
		f.commits <- commitsAt(9, 9, 10)
		f.commits <- commitsAt(7, 7, 10)
		synctest.Wait()
		require.Equal(t, [][3]int64{{6, 7, 1}}, p.steps())
		require.Equal(t, []int64{5, 5, 5, 5, 7}, f.froms)
	})
}

// Goal: when the feed no longer has what comes next, the ingester goes on from the newest revision, and says so, so
// that nodes see what they lack. Method: a feed that is compacted up to 40.
func TestCompactedFeedIsLeaptOver(t *testing.T) {
	bubble(t, func(f *feed, _ *publisher) {
		f.revision = 50
		f.before = func(from int64) error {
			if from < 40 {
				return errdefs.ErrCompacted
			}
			return nil
		}
	}, func(t *testing.T, f *feed, p *publisher) {
		f.commits <- commitsAt(51, 51, 10)
		synctest.Wait()
		require.Equal(t, []int64{5, 51}, f.froms)
		require.Equal(t, [][3]int64{{50, 50, 0}, {50, 51, 1}}, p.steps())
	})
}

// A commit that the feed leaves out is a message without commits, and those before and behind it go with theirs. Method: one
// between two others in one batch.
func TestLeftOutCommitIsAMessageOfItsOwn(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *feed, p *publisher) {
		p.steps()
		commits := commitsAt(5, 7, 1)
		commits[1] = &consensusv1.Commit{Revision: 6, LeftOut: true}
		f.commits <- commits
		synctest.Wait()
		require.Equal(t, [][3]int64{{4, 5, 1}, {5, 6, 0}, {6, 7, 1}}, p.steps())
	})
}
