package match

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/sessionqueue"
)

// client is an outlet without a goroutine: a queue, and what its watch was told.
type client struct {
	queue sessionqueue.Queue[*Watch]
	told  []int64
}

func (c *client) Push(e *Entry) bool { return c.queue.Push(e) }

func (c *client) FallBehind(w *Watch, next int64) {
	w.Next = next
	c.queue.LineUp(w)
}

// take takes all there is, and reads on from memory, else from the commits.
func (c *client) take(t *Table, commits []*consensusv1.Commit) {
	for {
		e, behind := c.queue.Next()
		switch {
		case behind != nil:
			events, _, still, done := t.ReadOn(behind)
			if !done {
				events, still = behind.Sel.Selected(commits[behind.Next-1:]), true
				behind.Vetted, behind.Next = true, int64(len(commits))+1
			}
			c.saw(events)
			if still {
				c.queue.LineUp(behind)
			}
		case e == nil:
			return
		case e.Delivery.Batch != nil:
			c.saw(e.Delivery.Batch.Events())
		}
	}
}

func (c *client) saw(events []*consensusv1.Event) {
	for _, event := range events {
		c.told = append(c.told, event.Kv.ModRevision)
	}
}

// commitOf puts keys at a revision.
func commitOf(revision int64, keys ...string) *consensusv1.Commit {
	commit := &consensusv1.Commit{Revision: revision}
	for _, key := range keys {
		commit.Events = append(commit.Events, &consensusv1.Event{Kv: &mvccpb.KeyValue{Key: []byte(key), ModRevision: revision}})
	}
	return commit
}

// add has a new client with room for so many deliveries watch a key.
func add(t *Table, key string, from int64, room int) *client {
	c := &client{queue: sessionqueue.New[*Watch](room, 1<<20)}
	w := &Watch{ID: 1, Sel: SelectorOf(&watchv1.Watch{Key: []byte(key)}), Out: c, Next: from}
	if !t.Add(w) {
		c.queue.LineUp(w)
	}
	return c
}

// Goal: a commit is told to the watches of its keys, once, and to nobody else. Method: a batch, part of which was matched before.
func TestCommitsAreMatchedOnce(t *testing.T) {
	table := NewTable(1<<20, 1<<20)
	table.Begin(1)
	a, b, later := add(table, "a", 2, 10), add(table, "b", 2, 10), add(table, "a", 4, 10)
	commits := []*consensusv1.Commit{commitOf(1), commitOf(2, "a"), commitOf(3, "a", "c"), commitOf(4, "b", "a")}
	table.Match(commits[1:3], 3)
	table.Match(commits[1:], 4)
	for _, c := range []*client{a, b, later} {
		c.take(table, commits)
	}
	require.EqualValues(t, 4, table.Position())
	require.Equal(t, []int64{2, 3, 4}, a.told)
	require.Equal(t, []int64{4}, b.told)
	require.Equal(t, []int64{4}, later.told)
	require.Zero(t, table.Behind())
}

// Goal: a watch whose client takes nothing falls behind, and gets the rest from memory. Method: more commits than its queue holds.
func TestNoRoomPutsBehind(t *testing.T) {
	table := NewTable(1<<20, 1<<20)
	table.Begin(0)
	slow := add(table, "k", 1, 2)
	var commits []*consensusv1.Commit
	for revision := int64(1); revision <= 5; revision++ {
		commits = append(commits, commitOf(revision, "k"))
		table.Match(commits[revision-1:], revision)
	}
	require.Equal(t, 1, table.Behind())
	require.EqualValues(t, 1, table.Slowed())
	slow.take(table, nil)
	require.Equal(t, []int64{1, 2, 3, 4, 5}, slow.told)
	require.Zero(t, table.Behind())
}

// Goal: what a gap comes to follows from what is watched and how long it is. Method: gaps with no watch, one that begins later, one
// that wants it all, and one over the limit.
func TestGapIsSkippedReadOrStranded(t *testing.T) {
	table := NewTable(1<<20, 1<<20)
	table.Begin(1)
	require.Nil(t, table.Bridge(50))
	require.EqualValues(t, 50, table.Position(), "nobody wants it")
	c := add(table, "k", 99, 10)
	gap := table.Bridge(101)
	require.EqualValues(t, 98, table.Position())
	require.EqualValues(t, 99, gap.Request().FromRevision)
	require.Equal(t, Failed, gap.Answer(nil, errors.New("not now")))
	require.Equal(t, [2]int64{int64(retryMin), int64(2 * retryMin)}, [2]int64{int64(gap.Wait()), int64(gap.Wait())})
	require.Equal(t, Read, gap.Answer(&consensusv1.HistoryResponse{
		ThroughRevision: 101, Commits: []*consensusv1.Commit{commitOf(99, "k"), commitOf(100), commitOf(101, "k")},
	}, nil))
	require.Nil(t, gap.Request())
	c.take(table, nil)
	require.Equal(t, []int64{99, 101}, c.told)
	require.Nil(t, table.Bridge(101+gapRevisionsMax+1))
	require.EqualValues(t, 101+gapRevisionsMax+1, table.Position())
	require.Equal(t, 1, table.Behind())
}

// Goal: a compacted gap is passed over, and so is a large revision that cannot be read; its watches read for themselves.
// Method: the answers, one by one.
func TestGapThatCannotBeRead(t *testing.T) {
	table := NewTable(1<<20, 1<<20)
	table.Begin(1)
	add(table, "k", 2, 10)
	gap := table.Bridge(3)
	require.Equal(t, Read, gap.Answer(&consensusv1.HistoryResponse{
		ThroughRevision: 1, NextSub: 1, Commits: []*consensusv1.Commit{commitOf(2, "k")},
	}, nil))
	for range largeFailuresMax {
		require.EqualValues(t, 2, gap.Request().ToRevision)
		require.Equal(t, Failed, gap.Answer(nil, errors.New("the disk cannot read this")))
	}
	require.Equal(t, Unreadable, gap.Answer(nil, errors.New("the disk cannot read this")))
	require.EqualValues(t, 2, table.Position())
	require.Equal(t, 1, table.Behind())
	require.EqualValues(t, 3, gap.Request().FromRevision)
	require.Equal(t, Compacted, gap.Answer(nil, fmt.Errorf("history: %w", errdefs.ErrCompacted)))
	require.Nil(t, gap.Request())
	require.EqualValues(t, 3, table.Position())
}

// Goal: what is read of a store that another has replaced is given up. Method: an answer that comes after the other began.
func TestGapOfAReplacedStore(t *testing.T) {
	table := NewTable(1<<20, 1<<20)
	table.Begin(3)
	add(table, "k", 4, 10)
	gap := table.Bridge(100)
	require.NotNil(t, gap.Request())
	table.Begin(3)
	require.Equal(t, Read, gap.Answer(&consensusv1.HistoryResponse{ThroughRevision: 4, Commits: []*consensusv1.Commit{commitOf(4, "k")}}, nil))
	require.EqualValues(t, 3, table.Position())
	require.Nil(t, gap.Request())
}

// Goal: whatever is lost, repeated and slow, each watch is told each of its revisions once and in order, and the same happens twice.
// Method: a thousand steps drawn from a seed, in one goroutine: commits in batches, heartbeats, watches that come, clients that take.
func TestEveryWatchIsToldEverything(t *testing.T) {
	for seed := range uint64(20) {
		first, again := play(t, seed), play(t, seed)
		require.Equal(t, first, again, "seed %d", seed)
	}
}

func play(t *testing.T, seed uint64) (told [][]int64) {
	random := rand.New(rand.NewPCG(seed, 0))
	table := NewTable(500, 4000)
	table.Begin(0)
	var commits []*consensusv1.Commit
	var clients []*client
	var from []int64
	keyOf := func(i int) string { return fmt.Sprintf("k%d", i%4) }
	for range 1000 {
		switch random.IntN(6) {
		case 0:
			if len(clients) < 12 {
				from = append(from, 1+random.Int64N(int64(len(commits))+5))
				clients = append(clients, add(table, keyOf(len(clients)), from[len(from)-1], 3))
			}
		case 1, 2:
			commits = append(commits, commitOf(int64(len(commits))+1, keyOf(random.IntN(5)), "x"))
		case 3:
			if at := int64(len(commits)); at > table.Position() {
				begin := max(0, table.Position()-random.Int64N(3)+random.Int64N(2))
				if begin < at {
					bridge(table, begin, commits)
					table.Match(commits[begin:at], at)
				}
			}
		case 4:
			bridge(table, int64(len(commits)), commits)
		case 5:
			if len(clients) > 0 {
				clients[random.IntN(len(clients))].take(table, commits)
			}
		}
	}
	bridge(table, int64(len(commits)), commits)
	for i, c := range clients {
		c.take(table, commits)
		var want []int64
		for _, commit := range commits[min(from[i]-1, int64(len(commits))):] {
			if string(commit.Events[0].Kv.Key) == keyOf(i) {
				want = append(want, commit.Revision)
			}
		}
		require.Equal(t, want, c.told, "seed %d, client %d from %d", seed, i, from[i])
		told = append(told, c.told)
	}
	return told
}

// bridge answers what a gap asks for, at most three commits at a time.
func bridge(t *Table, to int64, commits []*consensusv1.Commit) {
	gap := t.Bridge(to)
	for gap != nil {
		request := gap.Request()
		if request == nil {
			return
		}
		through := min(request.ToRevision, request.FromRevision+2)
		gap.Answer(&consensusv1.HistoryResponse{Commits: commits[request.FromRevision-1 : through], ThroughRevision: through}, nil)
	}
}
