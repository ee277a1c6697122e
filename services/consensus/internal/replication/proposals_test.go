package replication

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// What waits is bounded by bytes from the call to the answer, in line and in batches, and what is answered, refused or
// forgotten gives its bytes back: commands that only claim their size go every way that there is.
func TestWaitingCommandsAreBoundedByBytes(t *testing.T) {
	p := newProposals(1, math.MaxInt64)
	const size = proposalBytesMax / 8
	var all []*Proposal
	add := func() error {
		one := &Proposal{size: size, done: make(chan outcome, 1)}
		err := p.add(one)
		if err == nil {
			all = append(all, one)
		}
		return err
	}
	for range 8 {
		require.NoError(t, add())
	}
	require.ErrorIs(t, add(), errdefs.ErrTooManyRequests)
	first := p.next(1, time.Time{})
	require.Len(t, first.proposals, 1, "a large command travels alone")
	require.ErrorIs(t, add(), errdefs.ErrTooManyRequests, "it is not answered yet")
	require.Len(t, p.take(p.origin, first.sequence), 1)
	require.NoError(t, add())

	first = p.next(1, time.Time{})
	p.putBack(first)
	require.ErrorIs(t, add(), errdefs.ErrTooManyRequests)
	require.Equal(t, first.proposals, p.next(2, time.Time{}).proposals, "it stands first in line again")
	for _, one := range all {
		p.forget(one)
		p.forget(one)
	}
	require.Empty(t, p.batches)
	require.Zero(t, p.bytes)
	require.Zero(t, p.inLineCount())
	require.Nil(t, p.next(3, time.Time{}))
}

// A process that may take little memory lets less wait, but any command alone: without a leader, or with a slow disk, the puts
// of many clients would end it ("out of memory" on all members at once).
func TestLittleMemoryLetsLessWait(t *testing.T) {
	const memory = 256 << 20
	p := newProposals(1, memory)
	large := &Proposal{size: memory}
	require.NoError(t, p.add(large))
	require.ErrorIs(t, p.add(&Proposal{size: 1}), errdefs.ErrTooManyRequests)
	p.forget(large)
	var waiting int64
	for p.add(&Proposal{size: 1 << 20}) == nil {
		waiting += 1 << 20
	}
	require.EqualValues(t, memory/proposalsPart, waiting)
}

// The number of those that wait is bounded too, and a caller that leaves makes room for another one, however many have
// left: ten times as many come and go as there is room for.
func TestWaitingCommandsAreBoundedByNumber(t *testing.T) {
	p := newProposals(1, math.MaxInt64)
	for range proposalsWaitingMax {
		require.NoError(t, p.add(&Proposal{size: 1}))
	}
	require.ErrorIs(t, p.add(&Proposal{size: 1}), errdefs.ErrTooManyRequests)
	for _, one := range append([]*Proposal(nil), p.line...) {
		p.forget(one)
	}
	for range 10 * proposalsWaitingMax {
		one := &Proposal{size: 1}
		require.NoError(t, p.add(one))
		p.forget(one)
	}
	require.LessOrEqual(t, len(p.line), 2)
}

// Commands of several batches that are lost are answered in the order in which they came: two batches of a term, and one of a
// later one that is not lost.
func TestLostBatchesAreInOrder(t *testing.T) {
	p := newProposals(1, math.MaxInt64)
	var all []*Proposal
	for term := range uint64(3) {
		one := &Proposal{size: entryBytesMax}
		require.NoError(t, p.add(one))
		require.NotNil(t, p.next(1+term/2, time.Time{}))
		all = append(all, one)
	}
	require.Equal(t, all[:2], p.dropBefore(2))
	require.True(t, p.waitsFor(3))
}
