package node

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/services/watch/internal/broadcast"
	"github.com/stretchr/testify/require"
)

// Goal: equal watches share one batch, and one that does not want previous versions neither sees them nor takes them
// from those that do. Method: four watches of one key on two sessions, one put.
func TestEqualWatchesShareBatch(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		withPrev := watchOf(2, "k", 2)
		withPrev.PrevKv = true
		one := h.open(watchOf(1, "k", 2), withPrev)
		two := h.open(watchOf(7, "k", 2))
		h.put("k")
		first, second := h.next(one), h.next(one)
		if first.ID != 1 {
			first, second = second, first
		}
		other := h.next(two)
		require.Same(h, first.Batch, other.Batch)
		require.NotSame(h, first.Batch, second.Batch)
		require.Nil(h, first.Batch.Events()[0].PrevKv)
		require.NotNil(h, second.Batch.Events()[0].PrevKv)
		require.EqualValues(h, 7, other.ID)
	})
}

// Goal: a watch sees its key or range only. Method: watches of all forms, one commit of several keys.
func TestRangesAndFilters(t *testing.T) {
	cases := map[string]struct {
		watch *watchv1.Watch
		want  []string
	}{
		"key":               {&watchv1.Watch{Key: []byte("b")}, []string{"b"}},
		"range":             {&watchv1.Watch{Key: []byte("b"), RangeEnd: []byte("d")}, []string{"b", "c"}},
		"from on":           {&watchv1.Watch{Key: []byte("c"), RangeEnd: []byte{0}}, []string{"c", "d"}},
		"everything":        {&watchv1.Watch{Key: []byte{0}, RangeEnd: []byte{0}}, []string{"a", "b", "c", "d"}},
		"no put":            {&watchv1.Watch{Key: []byte("c"), RangeEnd: []byte{0}, NoPut: true}, []string{"d"}},
		"no delete":         {&watchv1.Watch{Key: []byte("c"), RangeEnd: []byte{0}, NoDelete: true}, []string{"c"}},
		"neither":           {&watchv1.Watch{Key: []byte("c"), RangeEnd: []byte{0}, NoDelete: true, NoPut: true}, nil},
		"empty range":       {&watchv1.Watch{Key: []byte("c"), RangeEnd: []byte("b")}, nil},
		"key and zero byte": {&watchv1.Watch{Key: []byte("c"), RangeEnd: []byte("c\x00")}, []string{"c"}},
	}
	for name, c := range cases {
		for _, live := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, live %v", name, live), func(t *testing.T) {
				bubble(t, 0, nil, func(h *harness) {
					c.watch.StartRevision = 1
					s := h.node.Open()
					if live {
						require.NoError(h, s.Add(c.watch))
					}
					commit := h.append("a", "b", "c", "d")
					commit.Events[3].Type = consensusv1.Event_DELETE
					h.send(&broadcast.Message{Through: 1, Commits: []*consensusv1.Commit{commit}})
					if !live {
						require.NoError(h, s.Add(c.watch))
					}
					if c.want != nil {
						var got []string
						for _, event := range h.next(s).Batch.Events() {
							got = append(got, string(event.Kv.Key))
						}
						require.Equal(h, c.want, got)
					}
					h.nothing(s)
					require.Equal(h, !live, len(h.history.requests) > 0)
				})
			})
		}
	}
}

// Goal: a watch that starts in the future is silent until then, also when its start lies within one batch. Method: a
// watch from revision 4, and a batch of revisions 2 to 5.
func TestFutureStart(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		s := h.open(watchOf(1, "k", 4), watchOf(2, "k", 9))
		var commits []*consensusv1.Commit
		for range 4 {
			commits = append(commits, h.append("k"))
		}
		h.send(&broadcast.Message{Follows: 1, Through: 5, Commits: commits})
		d := h.next(s)
		require.Equal(h, []int64{4, 5}, revisions(d))
		require.EqualValues(h, 5, d.Revision)
		h.nothing(s)
	})
}

// Goal: a delivery grows to its limit and no further, and a revision is whole even if it is over. Method: a low limit,
// a batch of three small revisions around a large one.
func TestDeliveriesEndAtRevisions(t *testing.T) {
	bubble(t, 1, func(c *Config) { c.DeliveryBytesMax = 700 }, func(h *harness) {
		s := h.open(watchOf(1, "k", 2))
		commits := []*consensusv1.Commit{h.append("k"), h.append("k", "k", "k", "k", "k", "k"), h.append("k"), h.append("k")}
		h.send(&broadcast.Message{Follows: 1, Through: 5, Commits: commits})
		d := h.next(s)
		require.Equal(h, []int64{2, 3, 3, 3, 3, 3, 3}, revisions(d))
		require.EqualValues(h, 3, d.Revision)
		d = h.next(s)
		require.Equal(h, []int64{4, 5}, revisions(d))
		require.EqualValues(h, 5, d.Revision)
	})
}

// Goal: ids are unique on a session and free again after Remove, and nothing of the removed watch is delivered.
// Method: events queued for a watch, which is removed and added anew.
func TestRemoveAndReuseID(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		s := h.open(watchOf(1, "k", 2))
		require.ErrorIs(h, s.Add(watchOf(1, "other", 2)), ErrIDInUse)
		h.put("k")
		s.Remove(1)
		s.Remove(1)
		require.NoError(h, s.Add(watchOf(1, "other", 3)))
		h.put("k", "other")
		require.Equal(h, "other", string(h.next(s).Batch.Events()[0].Kv.Key))
		h.nothing(s)
	})
}

// Goal: Close, the node's end and the context end a waiting Next, each with its error, and a closed session takes no
// watch. Method: each in turn, with Next waiting.
func TestNextEnds(t *testing.T) {
	bubble(t, 1, nil, func(h *harness) {
		wait := func(ctx context.Context, s *Session) <-chan error {
			failed := make(chan error, 1)
			go func() {
				_, err := s.Next(ctx)
				failed <- err
			}()
			synctest.Wait()
			return failed
		}
		s := h.open(watchOf(1, "k", 2))
		ctx, cancel := context.WithCancel(h.Context())
		failed := wait(ctx, s)
		cancel()
		require.ErrorIs(h, <-failed, context.Canceled)

		failed = wait(h.Context(), s)
		s.Close()
		s.Close()
		require.ErrorIs(h, <-failed, errdefs.ErrStopped)
		require.ErrorIs(h, s.Add(watchOf(2, "k", 2)), errdefs.ErrStopped)
		s.Remove(1)
		s.Progress(1)

		s = h.open(watchOf(1, "k", 2))
		failed = wait(h.Context(), s)
		h.stop()
		require.ErrorIs(h, <-failed, errdefs.ErrStopped)
		_, err := h.node.Open().Next(h.Context())
		require.ErrorIs(h, err, errdefs.ErrStopped)
		require.Zero(h, h.node.watchers())
	})
}
