package replication

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/deadline"
	"github.com/quoratedb/quorate/pkg/errdefs"
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// Goal: a caller whose time is up is told so, wherever its command is, and leaves nothing behind; whoever answers then waits for nobody, and the clock stands still
// while nothing waits. Method: commands in line, in a batch and with the applier, in fake time, for callers whose contexts have no timer, one of which is answered in time and one of
// which leaves.
func TestCallersWhoseTimeIsUpAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Replica{raft: &raftLoop{pending: newPending(newProposals(1, math.MaxInt64)), stopped: make(chan struct{})}}
		submit := func() *Proposal {
			one, err := newProposal(&consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte("k")}}})
			require.NoError(t, err)
			require.NoError(t, r.raft.pending.add(one))
			return one
		}
		ticking := func() bool {
			r.raft.pending.mu.Lock()
			defer r.raft.pending.mu.Unlock()
			return r.raft.pending.mu.ticking
		}
		gone, leave := context.WithCancelCause(t.Context())
		answered, left, late := submit(), submit(), submit()
		b := r.raft.pending.next(1, time.Now())
		inLine := submit()
		errs := make(map[*Proposal]chan error)
		begun := time.Now()
		for one, of := range map[*Proposal]context.Context{answered: t.Context(), left: gone, late: t.Context(), inLine: t.Context()} {
			errs[one] = make(chan error, 1)
			go func() {
				_, err := r.wait(deadline.Within(of, time.Second, errdefs.ErrTimeout), one)
				errs[one] <- err
			}()
		}
		answered.done <- outcome{}
		require.NoError(t, <-errs[answered])
		leave(errors.New("left"))
		require.EqualError(t, errors.Unwrap(<-errs[left]), "left")
		require.Equal(t, begun, time.Now())
		require.ErrorIs(t, <-errs[late], errdefs.ErrTimeout)
		require.ErrorIs(t, <-errs[inLine], errdefs.ErrTimeout)
		require.LessOrEqual(t, time.Since(begun), time.Second+lateTick)
		require.Equal(t, 1, r.raft.pending.waiting(), "the one that was answered is the applier's to take")
		require.Equal(t, b.proposals, r.raft.pending.take(1, b.sequence))
		answerAll(b.proposals[1:], nil)
		r.raft.pending.told()
		<-time.After(2 * lateTick)
		require.False(t, ticking())

		// One whose command the applier has, which stands still.
		stuck := submit()
		b = r.raft.pending.next(1, time.Now())
		require.Equal(t, b.proposals, r.raft.pending.take(1, b.sequence))
		lost := submit()
		r.raft.pending.next(1, time.Now())
		require.Len(t, r.raft.pending.dropBefore(2), 1)
		for _, one := range []*Proposal{stuck, lost} {
			_, err := r.wait(deadline.Within(t.Context(), time.Second, errdefs.ErrTimeout), one)
			require.ErrorIs(t, err, errdefs.ErrTimeout)
		}
		answerAll([]*Proposal{stuck, lost}, nil)
		require.True(t, ticking())
		r.raft.pending.told()
		<-time.After(2 * lateTick)
		require.False(t, ticking())

		// It begins again with the next, and ends with the replica.
		again := submit()
		require.True(t, ticking())
		r.raft.pending.next(1, time.Now())
		r.raft.pending.stop()
		<-time.After(2 * lateTick)
		require.False(t, ticking())
		require.Empty(t, again.done, "its caller has said no time")
	})
}

// Goal: one caller alone has the loop take what gathers meanwhile, and no command is left in line. Method: commands behind a first one whose caller has not told the loop yet; then many
// callers at a time beside a loop that takes what it is told of, until all are taken.
func TestCommandsGatherBehindTheFirst(t *testing.T) {
	command := func() *Proposal {
		one, err := newProposal(&consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte("k")}}})
		require.NoError(t, err)
		return one
	}
	p := newPending(newProposals(1, math.MaxInt64))
	for range 2 {
		first, err := p.enqueue(command())
		require.NoError(t, err)
		require.True(t, first)
		for range 3 {
			require.NoError(t, p.add(command()))
			require.Empty(t, p.ready)
		}
		require.Len(t, p.next(1, time.Now()).proposals, 4)
	}

	const callers, each = 20, 500
	var calling sync.WaitGroup
	for range callers {
		calling.Go(func() {
			for range each {
				assert.NoError(t, p.add(command()))
			}
		})
	}
	for taken := 0; taken < callers*each; {
		<-p.ready
		for b := p.next(1, time.Now()); b != nil; b = p.next(1, time.Now()) {
			taken += len(b.proposals)
		}
	}
	calling.Wait()
	require.Zero(t, p.mu.inLineCount())
}
