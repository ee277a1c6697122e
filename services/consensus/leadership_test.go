package consensus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"
)

// Goal: a leader that wins another term is news: whoever compares members by their terms would hold its followers' older word
// against it. Method: the same leader in the same term again, then in the next.
func TestSameLeaderInAnotherTermIsNews(t *testing.T) {
	l := newLeadership()
	l.set(1, 1)
	changed := l.mu.changed
	l.set(1, 1)
	select {
	case <-changed:
		t.Fatal("nothing changed")
	default:
	}
	l.set(1, 2)
	<-changed
	require.Equal(t, uint64(2), l.mu.term)
}

// Goal: leadership goes to a voter that can be reached now and is furthest along, and of equals to the same one every time: not
// to one that has just stopped, which answered the leader a moment ago. Method: the order for what raft and the transport say.
func TestSuccessorsAreConnectedNow(t *testing.T) {
	status := raft.Status{Progress: map[uint64]tracker.Progress{
		1: {Match: 9, RecentActive: true},
		2: {Match: 9, RecentActive: true}, // its connections have just broken
		3: {Match: 7, RecentActive: true},
		4: {Match: 8, RecentActive: true},
		5: {Match: 8, RecentActive: true},
		6: {Match: 9, RecentActive: true, IsLearner: true},
		7: {Match: 9}, // silent since the last count
	}}
	r := &replica{id: 1, transport: partners{since: map[uint64]time.Time{3: {}, 4: {}, 5: {}, 6: {}, 7: {}}}}
	for range 20 {
		require.Equal(t, []uint64{4, 5, 3, 7}, r.successors(status))
	}
}

// Goal: a leader that stops finds somebody to take over though the first it asks does not. Method: the one it would ask first is
// cut off without the leader having noticed, and leadership is handed over.
func TestLeadershipIsHandedToTheNextIfTheFirstDoesNotTakeIt(t *testing.T) {
	net, members := clusterWith(t, 5, func(c *Config) { c.ElectionTicks = 50 }, nil)
	for range 3 {
		leader := leaderOf(t, members)
		leader.mustPut(t, "key", "value")
		var status raft.Status
		require.NoError(t, leader.replica.call(t.Context(), func(node *raft.RawNode) { status = node.Status() }))
		first := leader.replica.successors(status)[0]
		net.isolate(first, true)
		require.NoError(t, leader.HandOver(t.Context()))
		now, _ := leader.Leader()
		require.NotEqual(t, leader.MemberID(), now)
		require.NotEqual(t, first, now)
		net.isolate(first, false)
	}
}

// Goal: a leader whose applier is stuck is replaced, as one whose log is: its heartbeats would keep all others quiet for ever.
// Method: the leader's applier is held, and a write is put through another member.
func TestLeaderWhoseApplierIsStuckIsReplaced(t *testing.T) {
	_, members := cluster(t, 3)
	old := leaderOf(t, members)
	other := otherThan(members, old)
	held, hold := make(chan struct{}), make(chan struct{})
	defer close(hold)
	old.applier.replace = func(uint64) error { close(held); <-hold; return nil }
	go func() { _ = old.applier.install(t.Context(), 0) }()
	awaitEvent(t, held, "the applier's stop")
	replaced := make(chan uint64, 1)
	go func() {
		for t.Context().Err() == nil {
			id, changed := other.Leader()
			if id != raft.None && id != old.MemberID() {
				replaced <- id
				return
			}
			_, _ = other.submit(put("key", "committed"))
			<-changed
		}
	}()
	awaitEvent(t, replaced, "another leader")
	writeUntilAcknowledged(t, other, "key", "after")
}
