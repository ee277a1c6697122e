package consensus

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// Goal: a leader that stops finds somebody to take over though the first it asks does not. Method: the one it would ask first is
// cut off without the leader having noticed, and leadership is handed over.
func TestLeadershipIsHandedToTheNextIfTheFirstDoesNotTakeIt(t *testing.T) {
	net, members := clusterWith(t, 5, func(c *Config) { c.ElectionTicks = 50 }, nil)
	for range 3 {
		leader := leaderOf(t, members)
		leader.mustPut(t, "key", "value")
		successors, _, err := leader.replica.Successors(t.Context())
		require.NoError(t, err)
		first := successors[0]
		net.isolate(first, true)
		require.NoError(t, leader.HandOver(t.Context()))
		now, _ := leader.Leader()
		require.NotEqual(t, leader.MemberID(), now)
		require.NotEqual(t, first, now)
		net.isolate(first, false)
	}
}

// Goal: who stops waiting for the replica shares nothing with it (a data race where a member stopped as it looked for somebody to lead in
// its place). Method: questions that are given up as they are asked, under the race detector.
func TestQuestionsToTheReplicaThatAreGivenUp(t *testing.T) {
	m := start(t, testConfig(vfs.NewMem()))
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		voters, leads, err := m.replica.Successors(ctx)
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			require.False(t, leads)
		}
		require.Empty(t, voters, "it is alone")
		status, err := m.replica.Status(ctx)
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			require.Zero(t, status.ID)
		}
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
	old.install.replace = func(uint64) (*raftpb.ConfState, error) { close(held); <-hold; return nil, nil }
	go func() { _ = old.replica.Install(t.Context(), 0) }()
	awaitEvent(t, held, "the applier's stop")
	replaced := make(chan uint64, 1)
	go func() {
		for t.Context().Err() == nil {
			id, changed := other.Leader()
			if id != raft.None && id != old.MemberID() {
				replaced <- id
				return
			}
			_, _ = other.replica.Submit(put("key", "committed"))
			<-changed
		}
	}()
	awaitEvent(t, replaced, "another leader")
	writeUntilAcknowledged(t, other, "key", "after")
}
