package relay

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	watchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/watch/v1"
	"github.com/quoratedb/quorate/pkg/rpc/resolver"
	"github.com/quoratedb/quorate/services/watch/internal/sessionqueue"
)

// at is a link to a node that is up, without a stream.
func at(r *Relay) *link {
	return &link{relay: r, up: true, groups: map[int64]*group{}, filled: make(chan struct{}, 1)}
}

// join moves a group to a node, where it is told everything after a revision.
func join(r *Relay, g *group, l *link, revision int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaveNodeLocked(g)
	l.subscribeLocked(g)
	r.joinLocked(g, revision)
}

// watching is a relay with one watch, from a revision on.
func watching(t *testing.T, from int64) (*Relay, *Session, *group) {
	t.Helper()
	r, err := New(Config{})
	require.NoError(t, err)
	s := r.Open().(*Session)
	w := &watch{id: 7, session: s, notify: true, next: from}
	require.NoError(t, r.add(w, selector{key: "k"}))
	return r, s, w.group
}

func put(revision int64) *delivery.Batch {
	return delivery.NewBatch([]*consensusv1.Event{{Kv: &consensusv1.KeyValue{Key: []byte("k"), ModRevision: revision}}})
}

// Goal: what a watch is told of progress never goes back behind an event that it was told. Method: its group moves to a node that
// is behind the one before.
func TestProgressNeverGoesBack(t *testing.T) {
	r, s, g := watching(t, 1)
	join(r, g, at(r), 0)
	r.mu.Lock()
	r.deliverLocked(g, put(105), 105)
	r.mu.Unlock()
	d, err := s.Next(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 105, d.Revision)

	join(r, g, at(r), 95)
	r.sendProgress()
	r.sendProgress()
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
	r, s, g := watching(t, 1)
	join(r, g, at(r), 0)
	r.mu.Lock()
	r.deliverLocked(g, put(15), 15)
	r.mu.Unlock()
	r.StoreReplaced()
	d, err := s.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, &delivery.Delivery{ID: 7, Replaced: true}, d)

	w := &watch{id: 8, session: s, next: 4}
	require.NoError(t, r.add(w, selector{key: "k"}))
	join(r, w.group, at(r), 3)
	r.mu.Lock()
	r.deliverLocked(w.group, put(4), 4)
	r.mu.Unlock()
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
	r, s, g := watching(t, 1)
	for id := range int64(watches) {
		require.NoError(t, r.add(&watch{id: 100 + id, session: s, next: 1}, g.sel))
	}
	l := at(r)
	join(r, g, l, 0)
	move := func(to int64) {
		r.mu.Lock()
		defer r.mu.Unlock()
		l.position = to
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
	require.NoError(t, r.add(&watch{id: 1, session: s, next: 7}, g.sel))
	require.Nil(t, r.progressOf(s))
	s.Remove(1)
	require.EqualValues(t, rounds, r.progressOf(s).Revision)
}

// Goal: a client that goes with many watches does not hold up all others' events while they end. Method: the slices that a close
// is made of; the watches are told nothing from the first on.
func TestCloseEndsWatchesInSlices(t *testing.T) {
	r, s, g := watching(t, 1)
	for id := range int64(2 * sessionqueue.SliceMax) {
		require.NoError(t, r.add(&watch{id: 100 + id, session: s, next: 1}, g.sel))
	}
	join(r, g, at(r), 0)
	watches := slices.Collect(maps.Values(s.shut()))
	require.Len(t, watches, 2*sessionqueue.SliceMax+1)
	s.endSome(watches[:sessionqueue.SliceMax])
	require.Equal(t, sessionqueue.SliceMax+1, r.mu.watches)
	r.mu.Lock()
	r.deliverLocked(g, put(5), 5)
	r.mu.Unlock()
	require.Zero(t, s.mu.queue.Len())
	s.endSome(watches[sessionqueue.SliceMax:])
	require.Zero(t, r.mu.watches)
	require.Empty(t, r.mu.groups)
	require.Empty(t, s.shut())
	s.Close()
}

// Goal: no watch begins at a node that follows another store ("it joins at the old one's revision, and is told the old one's events").
// Method: the first position of a stream, of either store.
func TestNodeOfAnotherStoreIsNotUsed(t *testing.T) {
	r, _, g := watching(t, 1)
	r.cfg.Other = func(store []byte) bool { return string(store) == "another" }
	l := newLink(t.Context(), r, &resolver.Node{Address: "node"})
	defer l.end()
	r.mu.links[l.node] = l
	require.ErrorIs(t, r.handle(l, &watchv1.WatchResponse{Position: &watchv1.Position{Revision: 15, Store: []byte("another")}}), errOtherStore)
	require.Nil(t, g.link)
	require.NoError(t, r.handle(l, &watchv1.WatchResponse{Position: &watchv1.Position{Revision: 3, Store: []byte("this")}}))
	require.Equal(t, l, g.link)
}
