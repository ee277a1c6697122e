package replication

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Reads share a question until it is asked, and none joins one that is under way, whose answer may be older than the read; the
// next one waits for the answer, or for readSpacing. Each group goes once the state has reached its index. The calls are made
// in a row, with times of the test's own.
func TestReadIndexGroups(t *testing.T) {
	r, now := newReadIndexes(5, 100), time.Unix(0, 0)
	id, early := r.start(now)
	require.Nil(t, id)
	require.Zero(t, early)

	first, isFirst := r.join()
	require.True(t, isFirst)
	same, isFirst := r.join()
	require.False(t, isFirst)
	require.Equal(t, first, same)
	asked, early := r.start(now)
	require.NotNil(t, asked)
	require.Zero(t, early)

	second, isFirst := r.join()
	require.True(t, isFirst)
	require.NotEqual(t, first, second, "its question is already on its way")
	id, early = r.start(now.Add(time.Millisecond))
	require.Nil(t, id)
	require.Equal(t, readSpacing-time.Millisecond, early)
	askedNext, _ := r.start(now.Add(readSpacing))
	require.NotNil(t, askedNext)
	require.Equal(t, [][]byte{asked, askedNext}, r.unanswered())

	_, released := r.answer(asked, 7)
	require.False(t, released, "the state is at 5")
	_, released = r.answer(asked, 7)
	require.False(t, released, "asked twice, answered twice")
	group, released := r.answer(askedNext, 5)
	require.True(t, released)
	require.Equal(t, second, group)
	require.Empty(t, r.advance(6))
	require.Equal(t, []uint64{first}, r.advance(7))
	require.Empty(t, r.advance(8))

	_, reached := r.await(8)
	require.True(t, reached)
	group, reached = r.await(9)
	require.False(t, reached)
	left, _ := r.await(10)
	r.forget(left)
	require.Equal(t, []uint64{group}, r.advance(10))
}
