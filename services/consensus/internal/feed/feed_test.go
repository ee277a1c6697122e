package feed

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

func commits(from, to int64) []*consensusv1.Commit {
	var cs []*consensusv1.Commit
	for r := from; r <= to; r++ {
		cs = append(cs, &consensusv1.Commit{Revision: r, Events: []*consensusv1.Event{{Kv: &mvccpb.KeyValue{Key: []byte("key"), Value: make([]byte, 50)}}}})
	}
	return cs
}

func revisions(cs []*consensusv1.Commit) []int64 {
	var rs []int64
	for _, c := range cs {
		rs = append(rs, c.GetRevision())
	}
	return rs
}

// A reader gets what it asks for from any revision that the feed holds, in bounded portions, and is told when a
// revision is too old: one feed is read from every position.
func TestFeedServesWhatItHolds(t *testing.T) {
	one := size(commits(11, 11)[0])
	f := New(10, 5*one)
	_, changed, ok := f.Since(11, 1)
	require.True(t, ok)
	require.NotNil(t, changed)

	f.Announce(commits(11, 14))
	require.Equal(t, int64(14), f.Head())
	require.Equal(t, int64(11), f.Oldest())
	got, _, ok := f.Since(12, 1<<20)
	require.True(t, ok)
	require.Equal(t, []int64{12, 13, 14}, revisions(got))
	got, _, _ = f.Since(11, 1)
	require.Equal(t, []int64{11}, revisions(got), "a portion holds at least one commit")

	f.Announce(commits(15, 18))
	require.Equal(t, int64(14), f.Oldest(), "the oldest are dropped past the limit")
	_, _, ok = f.Since(13, 1)
	require.False(t, ok)
	_, _, ok = f.Since(5, 1)
	require.False(t, ok)
}

// A single commit above the limit is still held: whoever waits for it must find it.
func TestFeedHoldsTheNewestCommitWhateverItsSize(t *testing.T) {
	f := New(1, 1)
	f.Announce(commits(2, 3))
	got, _, ok := f.Since(3, 1)
	require.True(t, ok)
	require.Equal(t, []int64{3}, revisions(got))
}

// A waiting reader wakes at the announcement and not before.
func TestFeedWakesReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(1, 1<<20)
		_, changed, _ := f.Since(2, 1)
		woken := make(chan struct{})
		go func() {
			<-changed
			close(woken)
		}()
		synctest.Wait()
		select {
		case <-woken:
			t.Fatal("woken before anything happened")
		default:
		}
		f.Announce(commits(2, 2))
		<-woken
	})
}
