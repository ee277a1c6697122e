package peer

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

// Goal: what is urgent goes first, each lane keeps its order, and a batch ends at its limit. Method: fill both lanes and
// take in batches.
func TestQueueTakesUrgentFirst(t *testing.T) {
	a := &node{receiver: newFakeReceiver(0xa)}
	q := newQueue()
	for i := range uint64(10) {
		require.True(t, q.put(item{message: appended(a, a, i, 1000)}))
		require.True(t, q.put(item{message: heartbeat(a, a, i)}))
	}
	first := q.take(nil, 5000)
	var urgent, bulk uint64
	check := func(batch []item) {
		for _, i := range batch {
			if i.message.GetType() == raftpb.MsgApp {
				require.Equal(t, bulk, i.message.GetIndex())
				bulk++
			} else {
				require.Zero(t, bulk, "urgent after bulk")
				require.Equal(t, urgent, i.message.GetCommit())
				urgent++
			}
		}
	}
	check(first)
	require.Equal(t, uint64(10), urgent)
	require.Less(t, bulk, uint64(10))
	check(q.take(nil, 1<<20))
	require.Equal(t, uint64(10), bulk)
	require.Empty(t, q.take(nil, 1<<20))
}

// Goal: each lane holds its limit, and is empty again after all was taken or dropped. Method: fill one by number and one
// by bytes; a message larger than the lane goes into an empty one only.
func TestQueueIsBounded(t *testing.T) {
	a := &node{receiver: newFakeReceiver(0xa)}
	q := newQueue()
	for range urgentMessagesMax {
		require.True(t, q.put(item{message: heartbeat(a, a, 1)}))
	}
	require.False(t, q.put(item{message: heartbeat(a, a, 1)}))

	large := appended(a, a, 1, bulkBytesMax+1)
	require.True(t, q.put(item{message: large}))
	require.False(t, q.put(item{message: appended(a, a, 1, 0)}))
	require.Len(t, q.drop(), urgentMessagesMax+1)
	require.Empty(t, q.drop())

	quarter := appended(a, a, 1, bulkBytesMax/4)
	for range 3 {
		require.True(t, q.put(item{message: quarter}))
	}
	require.False(t, q.put(item{message: quarter}))
	require.Len(t, q.take(nil, 1), 1)
	require.True(t, q.put(item{message: quarter}))
}
