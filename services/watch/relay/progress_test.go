package relay

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
	"github.com/quoratedb/quorate/services/watch/internal/sessionqueue"
	"github.com/quoratedb/quorate/services/watch/relay/internal/groups"
)

// join moves all watches to a node that was not there before, where they are told everything after a revision. There is no
// stream: what the node tells is told by hand.
func join(t *testing.T, r *Relay, revision int64) *link {
	t.Helper()
	l := newLink(t.Context(), r, r.cfg.Logger, &resolver.Node{})
	t.Cleanup(l.end)
	r.mu.Lock()
	defer r.mu.Unlock()
	for node, before := range r.mu.links {
		r.mu.table.RemoveNode(before.known)
		r.mu.table.Lost(before.known)
		delete(r.mu.links, node)
	}
	r.mu.links[l.node] = l
	r.mu.table.AddNode(l.known)
	r.mu.table.Heard(l.known, 0, 1, time.Now())
	asked := l.takeOut().GetJoin()
	require.Len(t, asked, 1)
	r.mu.table.Joined(l.known, asked[0].GetId(), revision)
	return l
}

// deliver tells the only subscription of a node of an event.
func deliver(r *Relay, l *link, revision int64) {
	r.change(func(t *groups.Table) { t.Deliver(l.known, 1, put(revision), revision) })
}

var keyK = groups.SelectorOf(&watchv1.Watch{Key: []byte("k")})

// watching is a relay with one watch, from a revision on.
func watching(t *testing.T, from int64) (*Relay, *Session) {
	t.Helper()
	r, err := New(Config{})
	require.NoError(t, err)
	s := r.Open().(*Session)
	require.NoError(t, s.add(&groups.Watch{ID: 7, Out: s, Notify: true, Next: from}, keyK))
	return r, s
}

func put(revision int64) *delivery.Batch {
	return delivery.NewBatch([]*consensusv1.Event{{Kv: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: revision}}})
}

// Goal: what a watch is told of progress never goes back behind an event that it was told. Method: its group moves to a node that
// is behind the one before.
func TestProgressNeverGoesBack(t *testing.T) {
	r, s := watching(t, 1)
	deliver(r, join(t, r, 0), 105)
	d, err := s.Next(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 105, d.Revision)

	join(t, r, 95)
	r.change((*groups.Table).TellQuiet)
	r.change((*groups.Table).TellQuiet)
	d, err = s.Next(t.Context())
	require.NoError(t, err)
	require.Nil(t, d.Batch)
	require.EqualValues(t, 105, d.Revision)
	s.Progress(100)
	d, err = s.Next(t.Context())
	require.NoError(t, err)
	require.True(t, d.All)
	require.EqualValues(t, 105, d.Revision)
}

// Goal: watches of a store that was replaced end and say so, and what is watched then begins anew. Method: replace it while one
// watch has an event waiting, and add another.
func TestWatchesOfAReplacedStoreEnd(t *testing.T) {
	r, s := watching(t, 1)
	deliver(r, join(t, r, 0), 15)
	r.StoreReplaced()
	d, err := s.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, &delivery.Delivery{ID: 7, Replaced: true}, d)

	require.NoError(t, s.add(&groups.Watch{ID: 8, Out: s, Next: 4}, keyK))
	deliver(r, join(t, r, 3), 4)
	d, err = s.Next(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 8, d.ID)
	require.EqualValues(t, 4, d.Revision)
}

// Goal: progress requests do not look through all of a client's watches each, nor for each delivery while one is open ("100,000
// watches and a request of five bytes: milliseconds under the relay's lock, again and again"). Method: count the looks while a node
// is behind, and while requests are answered.
func TestProgressLooksAtWatchesOnce(t *testing.T) {
	const watches, rounds = 200, 100
	r, s := watching(t, 1)
	for id := range int64(watches) {
		require.NoError(t, s.add(&groups.Watch{ID: 100 + id, Out: s, Next: 1}, keyK))
	}
	l := join(t, r, 0)
	move := func(to int64) {
		r.change(func(t *groups.Table) { t.Heard(l.known, to, 1, time.Now()) })
	}
	s.Progress(rounds)
	for revision := range int64(rounds) {
		move(revision)
		require.Nil(t, r.progressOf(s))
	}
	move(rounds)
	for range rounds {
		require.EqualValues(t, rounds, r.progressOf(s).Revision)
		s.Progress(rounds)
	}
	require.LessOrEqual(t, s.looked, 3*watches)

	// A watch that begins in the past is waited for.
	require.NoError(t, s.add(&groups.Watch{ID: 1, Out: s, Next: 7}, keyK))
	require.Nil(t, r.progressOf(s))
	s.Remove(1)
	require.EqualValues(t, rounds, r.progressOf(s).Revision)
}

// Goal: a client that goes with many watches does not hold up all others' events while they end. Method: the slices that a close
// is made of; the watches are told nothing from the first on.
func TestCloseEndsWatchesInSlices(t *testing.T) {
	r, s := watching(t, 1)
	for id := range int64(2 * sessionqueue.SliceMax) {
		require.NoError(t, s.add(&groups.Watch{ID: 100 + id, Out: s, Next: 1}, keyK))
	}
	l := join(t, r, 0)
	watches := slices.Collect(maps.Values(s.shut()))
	require.Len(t, watches, 2*sessionqueue.SliceMax+1)
	s.endSome(watches[:sessionqueue.SliceMax])
	require.Equal(t, sessionqueue.SliceMax+1, r.mu.table.Len())
	deliver(r, l, 5)
	require.Zero(t, s.mu.queue.Len())
	s.endSome(watches[sessionqueue.SliceMax:])
	require.Zero(t, r.mu.table.Len())
	require.Zero(t, r.mu.table.Groups())
	require.Empty(t, s.shut())
	s.Close()
}

// Goal: no watch begins at a node that follows another store ("it joins at the old one's revision, and is told the old one's events").
// Method: the first position of a stream, of either store.
func TestNodeOfAnotherStoreIsNotUsed(t *testing.T) {
	r, _ := watching(t, 1)
	r.cfg.Other = func(store []byte) bool { return string(store) == "another" }
	l := newLink(t.Context(), r, r.cfg.Logger, &resolver.Node{Address: "node"})
	defer l.end()
	r.mu.links[l.node] = l
	r.mu.table.AddNode(l.known)
	require.ErrorIs(t, r.handle(l, &watchv1.WatchResponse{Position: &watchv1.Position{Revision: 15, Store: []byte("another")}}), errOtherStore)
	require.Nil(t, l.takeOut())
	require.NoError(t, r.handle(l, &watchv1.WatchResponse{Position: &watchv1.Position{Revision: 3, Store: []byte("this")}}))
	require.Len(t, l.takeOut().GetJoin(), 1)
}
