package relay

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/delivery"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
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
