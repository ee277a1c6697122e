package membership

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"

	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

var now = time.Unix(1000, 0)

// situation has voters of which the first have started, and of which some can be reached, long enough or only just.
func situation(voters, started int, connected, fresh []uint64) Situation {
	s := Situation{Version: &consensusv1.MembersResponse{}, Self: 1, Now: now, ReachedSince: map[uint64]time.Time{}}
	for id := 1; id <= voters; id++ {
		member := &consensusv1.Member{Id: uint64(id)}
		if id <= started {
			member.Name = fmt.Sprint("m", id)
		}
		s.Version.Members = append(s.Version.Members, member)
	}
	for _, id := range connected {
		s.ReachedSince[id] = now.Add(-healthyAfter)
	}
	for _, id := range fresh {
		s.ReachedSince[id] = now.Add(-healthyAfter + 1)
	}
	return s
}

// Goal: a member comes only where a quorum of the enlarged cluster has started and is connected without it. Method: clusters of one to
// five voters.
func TestMayAdd(t *testing.T) {
	for name, c := range map[string]struct {
		s              Situation
		voter, learner error
	}{
		"one may become two":              {s: situation(1, 1, nil, nil)},
		"of one that has not published":   {s: situation(1, 0, nil, nil), voter: errdefs.ErrNotEnoughStarted},
		"two, one never started":          {s: situation(2, 1, nil, nil), voter: errdefs.ErrNotEnoughStarted, learner: errdefs.ErrUnhealthy},
		"two, one away":                   {s: situation(2, 2, nil, nil), voter: errdefs.ErrUnhealthy, learner: errdefs.ErrUnhealthy},
		"two, one back for a moment":      {s: situation(2, 2, nil, []uint64{2}), voter: errdefs.ErrUnhealthy, learner: errdefs.ErrUnhealthy},
		"two":                             {s: situation(2, 2, []uint64{2}, nil)},
		"five, of which four are there":   {s: situation(5, 5, []uint64{2, 3, 4}, nil)},
		"five, of which three are there":  {s: situation(5, 5, []uint64{2, 3}, nil), voter: errdefs.ErrUnhealthy, learner: errdefs.ErrUnhealthy},
		"five, of which three have begun": {s: situation(5, 3, []uint64{2, 3, 4, 5}, nil), voter: errdefs.ErrNotEnoughStarted},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, MayAdd(c.s, false), c.voter)
			require.ErrorIs(t, MayAdd(c.s, true), c.learner)
		})
	}
}

// Goal: a member goes only where those that remain have a quorum. Method: voters and learners, started and not, there and away.
func TestMayRemove(t *testing.T) {
	withLearner := situation(1, 1, nil, nil)
	withLearner.Version.Members = append(withLearner.Version.Members, &consensusv1.Member{Id: 7, IsLearner: true})
	withLearner.Version.RemovedIds = []uint64{9}
	for name, c := range map[string]struct {
		s   Situation
		id  uint64
		err error
	}{
		"the last voter stays":          {s: situation(1, 1, nil, nil), id: 1, err: errdefs.ErrNotEnoughStarted},
		"a learner":                     {s: withLearner, id: 7},
		"who was removed":               {s: withLearner, id: 9, err: errdefs.ErrMemberRemoved},
		"who never was":                 {s: withLearner, id: 8, err: errdefs.ErrMemberNotFound},
		"one of three":                  {s: situation(3, 3, []uint64{2, 3}, nil), id: 3},
		"one of three, one is away":     {s: situation(3, 3, []uint64{3}, nil), id: 3, err: errdefs.ErrUnhealthy},
		"the one that is away":          {s: situation(3, 3, []uint64{2}, nil), id: 3},
		"of three that have not begun":  {s: situation(3, 1, []uint64{2, 3}, nil), id: 3, err: errdefs.ErrNotEnoughStarted},
		"the one that has not begun":    {s: situation(3, 2, []uint64{2}, nil), id: 3},
		"one of two, which never began": {s: situation(2, 1, nil, nil), id: 2},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, MayRemove(c.s, c.id), c.err)
		})
	}
}

// Goal: a learner votes when it has caught up, as the leader knows, and when that costs no quorum. Method: one learner beside one
// voter, further and further along.
func TestMayPromote(t *testing.T) {
	s := situation(1, 1, nil, nil)
	s.Version.Members = append(s.Version.Members, &consensusv1.Member{Id: 7, IsLearner: true})
	status := func(match uint64) raft.Status {
		var leading raft.Status
		leading.RaftState = raft.StateLeader
		leading.Progress = map[uint64]tracker.Progress{1: {Match: 100}, 7: {Match: match}}
		return leading
	}
	require.ErrorIs(t, MayPromote(s, 7, raft.Status{}, false), errdefs.ErrNotLeader)
	require.ErrorIs(t, MayPromote(s, 8, status(100), false), errdefs.ErrMemberNotFound)
	require.ErrorIs(t, MayPromote(s, 1, status(100), false), errdefs.ErrNotLearner)
	require.ErrorIs(t, MayPromote(s, 7, status(89), true), errdefs.ErrLearnerNotReady)
	require.ErrorIs(t, MayPromote(s, 7, status(90), false), errdefs.ErrNotEnoughStarted, "it has not made itself known")
	require.NoError(t, MayPromote(s, 7, status(90), true))
	s.Version.Members[1].Name = "learner"
	require.NoError(t, MayPromote(s, 7, status(90), false))
}

// Goal: who waits for an answer learns whether a quorum could be reached all the while. Method: three voters, and times before and after
// one of them came.
func TestConnectedToQuorum(t *testing.T) {
	s := situation(3, 3, nil, nil)
	require.False(t, s.ConnectedToQuorum(now))
	s.ReachedSince[2] = now
	require.True(t, s.ConnectedToQuorum(now))
	require.False(t, s.ConnectedToQuorum(now.Add(-1)))
}

// Goal: the log says of a change that could cost the quorum which members are the reason, and nothing of others. Method: both reasons
// and another error, of two voters of which one never came.
func TestExplain(t *testing.T) {
	s := situation(2, 1, nil, nil)
	require.Nil(t, Explain(s, "promote", 7, errdefs.ErrLearnerNotReady))
	started := fmt.Sprint(Explain(s, "add", 0, errdefs.ErrNotEnoughStarted)...)
	require.Contains(t, started, "too few voters have ever started")
	require.Contains(t, started, "never-started[2]")
	require.Contains(t, started, "not-connected[2]")
	unhealthy := fmt.Sprint(Explain(s, "remove", 0xab, errdefs.ErrUnhealthy)...)
	require.Contains(t, unhealthy, "too few to be a quorum")
	require.Contains(t, unhealthy, "memberab")
}
