package replication

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// What a leader sent before it was reported down must not bring it back: a follower is given both at once, so that its
// choice between them is random, many times.
func TestMessagesBeforeTheReport(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			r := following(t, 2, []uint64{1, 2, 3}, 1<<20, noPeers{})
			r.inbox.Put(&raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(1)), To: new(uint64(2)), Term: new(uint64(1))})
			r.tasks.Put(func(s *stepper) { s.leaderEnded(1) })
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- r.run(ctx) }()
			synctest.Wait()
			stop()
			require.NoError(t, <-ended)
			require.Zero(t, r.stepper.position.leader)
			require.NotZero(t, r.stepper.election.standAt)
		})
	}
}

// Followers of a leader that is silent stand in the order of their ids: each is given ticks without a message, and the one
// at which it stands is told by raft's state.
func TestFollowersStandInOrder(t *testing.T) {
	const electionTicks = 10
	for id, want := range map[uint64]int{2: electionTicks + 1, 3: electionTicks + 1 + standSpacing, 4: electionTicks + 1 + 2*standSpacing} {
		r := following(t, id, []uint64{1, 2, 3, 4}, electionTicks, noPeers{}).stepper
		ticks := 0
		for r.node.BasicStatus().RaftState == raft.StateFollower {
			r.tick()
			ticks++
			require.LessOrEqual(t, ticks, 10*electionTicks)
		}
		require.Equal(t, want, ticks, "member %d", id)
	}
}

// Who stands is decided by ticks alone: nobody while the leader is heard of, in the order of ranks an election timeout after
// that, and soon where its process has ended. Each case is given ticks until it stands, or for three election timeouts.
func TestWhoStandsWhen(t *testing.T) {
	const self, leader, electionTicks = 2, 1, 10
	for name, c := range map[string]struct {
		leader   uint64
		rank     int
		voter    bool
		prepare  func(*election)
		standsAt int
	}{
		"the first":                       {leader, 0, true, nil, electionTicks + 1},
		"the third":                       {leader, 2, true, nil, electionTicks + 1 + 2*standSpacing},
		"a learner":                       {leader, 0, false, nil, 0},
		"the leader itself":               {self, 0, true, nil, 0},
		"nobody leads":                    {raft.None, 0, true, nil, 0},
		"the leader was heard of":         {leader, 0, true, func(e *election) { e.leaderHeard(5) }, 5 + electionTicks + 1},
		"the leader ended":                {raft.None, 1, true, func(e *election) { e.leaderEnded(3, 1, 7) }, 3 + standTicks + standSpacing},
		"it ended, and another was found": {leader, 0, true, func(e *election) { e.leaderEnded(3, 1, 7); e.leaderHeard(4) }, 4 + electionTicks + 1},
		"it ended, and another stands":    {raft.None, 1, true, func(e *election) { e.leaderEnded(3, 1, 7); e.termSeen(5, 8) }, 5 + standTicks + standSpacing},
		"it ended, and nobody stands":     {raft.None, 1, true, func(e *election) { e.leaderEnded(3, 1, 7); e.termSeen(5, 7) }, 3 + standTicks + standSpacing},
	} {
		t.Run(name, func(t *testing.T) {
			e := &election{}
			if c.prepare != nil {
				c.prepare(e)
			}
			stood := 0
			for ticks := 1; ticks <= 3*electionTicks && stood == 0; ticks++ {
				if e.stands(ticks, electionTicks, self, c.leader, func(uint64) (int, bool) { return c.rank, c.voter }) {
					stood = ticks
				}
			}
			require.Equal(t, c.standsAt, stood)
		})
	}
}

// Goal: a member that has just voted for another does not depose it at once, only because its own turn has come: messages may take
// longer than two ticks. Method: the leader has ended; the second in line is asked for its vote a tick before its turn, and its tick
// comes before raft's state is looked at. It stands when the first has had the time to win.
func TestWhoHasVotedWaits(t *testing.T) {
	s := following(t, 3, []uint64{1, 2, 3}, 1<<20, noPeers{}).stepper
	s.leaderEnded(1)
	s.ready()
	for range standTicks + standSpacing - 1 {
		s.tick()
	}
	last := raftpb.Message{Type: raftpb.MsgVote.Enum(), From: new(uint64(2)), To: new(uint64(3)), Term: new(uint64(2)), Index: new(uint64(100)), LogTerm: new(uint64(1))}
	require.NoError(t, s.step(&last, time.Now()))
	require.Equal(t, uint64(2), s.node.BasicStatus().HardState.GetVote())
	waited := 0
	for s.node.BasicStatus().RaftState == raft.StateFollower {
		s.tick()
		s.ready()
		waited++
		require.LessOrEqual(t, waited, 100)
	}
	require.Equal(t, 1+standTicks+standSpacing, waited)
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
	for range 20 {
		require.Equal(t, []uint64{4, 5, 3, 7}, successors(status, 1, func(id uint64) bool { return id >= 3 }))
	}
}
