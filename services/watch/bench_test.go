package watch

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/quoratedb/quorate/services/watch/internal/node"
	"github.com/stretchr/testify/require"
)

// commitStream is a feed whose commits exist only while they pass.
type commitStream struct {
	*fakeFeed
	commits chan []*consensusv1.Commit
}

func (s commitStream) Tail(ctx context.Context, _ *consensusv1.TailRequest, send func(*consensusv1.TailResponse) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case commits := <-s.commits:
			if err := send(&consensusv1.TailResponse{Commits: commits, Head: commits[len(commits)-1].Revision}); err != nil {
				return err
			}
		}
	}
}

func benchmarkCommit(revision int64, key string) *consensusv1.Commit {
	return &consensusv1.Commit{Revision: revision, Events: []*consensusv1.Event{{Kv: &mvccpb.KeyValue{
		Key: []byte(key), Value: make([]byte, 256), ModRevision: revision, CreateRevision: revision, Version: 1,
	}}}}
}

// audience has 1,000 watches on 100 ranges, each with a goroutine that takes what is delivered.
type audience struct {
	wait      sync.WaitGroup
	events    atomic.Int64
	received  chan struct{} // a token after every event, if set
	sessions  int
	rangeName func(i int) string
}

// watch starts a service, and waits until its ingester knows of the watches: what passes before is only in a feed's history.
func (a *audience) watch(b *testing.B, cfg Config) {
	opened := make(chan broadcast.Broadcast, 1)
	service := start(b, cfg, func(source node.Source) node.Source {
		opened <- source.(broadcast.Broadcast)
		return source
	})
	defer func() { require.Eventually(b, (<-opened).Interested, 10*time.Second, time.Millisecond) }()
	for i := range a.sessions {
		session := service.Open()
		name := a.rangeName(i)
		require.NoError(b, session.Add(&watchv1.Watch{Id: 1, Key: []byte(name), RangeEnd: []byte(name + "\xff"), StartRevision: firstRevision}))
		b.Cleanup(session.Close)
		a.wait.Go(func() {
			for {
				d, err := session.Next(context.Background())
				if err != nil {
					return
				}
				a.events.Add(int64(len(d.Batch.Events())))
				if a.received != nil {
					a.received <- struct{}{}
				}
			}
		})
	}
}

func hundredRanges(i int) string { return fmt.Sprintf("range%03d/", i%100) }

// BenchmarkFanOut shows deliveries per second to 1,000 watchers of 100 ranges, through matching, with commits
// of one 256-byte put coming in runs as from a busy store: each reaches 10 watchers.
// Run: go test -run xx -bench FanOut -cpuprofile cpu.out .
func BenchmarkFanOut(b *testing.B) {
	for _, run := range []int{1, 50} {
		b.Run(fmt.Sprintf("commits_at_once=%d", run), func(b *testing.B) {
			feed := commitStream{fakeFeed: newFakeFeed(), commits: make(chan []*consensusv1.Commit)}
			a := &audience{sessions: 1000, rangeName: hundredRanges}
			a.watch(b, Config{Feed: feed})
			revision, sent := int64(firstRevision), int64(0)
			b.ReportAllocs()
			for b.Loop() {
				commits := make([]*consensusv1.Commit, run)
				for i := range commits {
					commits[i] = benchmarkCommit(revision, hundredRanges(int(revision))+"key")
					revision++
				}
				feed.commits <- commits
				sent += int64(run * 10)
				for sent-a.events.Load() > 20_000 { // as much as a store's clients may have in flight
					<-time.After(20 * time.Microsecond)
				}
			}
			for a.events.Load() < sent {
				<-time.After(20 * time.Microsecond)
			}
			b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// BenchmarkPutToEvent shows the time from a commit to its delivery to all ten watchers of its range, in an idle store.
// Run: go test -run xx -bench PutToEvent .
func BenchmarkPutToEvent(b *testing.B) {
	feed := commitStream{fakeFeed: newFakeFeed(), commits: make(chan []*consensusv1.Commit)}
	a := &audience{sessions: 1000, rangeName: hundredRanges, received: make(chan struct{}, 10)}
	a.watch(b, Config{Feed: feed})
	revision := int64(firstRevision)
	for b.Loop() {
		feed.commits <- []*consensusv1.Commit{benchmarkCommit(revision, hundredRanges(int(revision))+"key")}
		revision++
		for range 10 {
			<-a.received
		}
	}
}

// BenchmarkNobodyWatches shows what a commit costs while there are no watches.
// Run: go test -run xx -bench NobodyWatches .
func BenchmarkNobodyWatches(b *testing.B) {
	feed := commitStream{fakeFeed: newFakeFeed(), commits: make(chan []*consensusv1.Commit)}
	start(b, Config{Feed: feed}, nil)
	events := benchmarkCommit(firstRevision, "key").Events
	revision := int64(firstRevision)
	b.ReportAllocs()
	for b.Loop() {
		feed.commits <- []*consensusv1.Commit{{Revision: revision, Events: events}}
		revision++
	}
}
