package outbound

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

// heartbeat is a message that is urgent, appended one that is not; index tells them apart.
func heartbeat(index uint64) *raftpb.Message {
	return &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(0xa)), To: new(uint64(0xa)), Term: new(uint64(1)), Commit: new(index)}
}

func appended(index uint64, size int) *raftpb.Message {
	return &raftpb.Message{
		Type: raftpb.MsgApp.Enum(), From: new(uint64(0xa)), To: new(uint64(0xa)), Term: new(uint64(1)), Index: new(index),
		Entries: []*raftpb.Entry{{Type: raftpb.EntryNormal.Enum(), Term: new(uint64(1)), Index: new(index + 1), Data: make([]byte, size)}},
	}
}

// Goal: what is urgent goes first, each lane keeps its order, and a batch ends at its limit. Method: fill both lanes and
// take in batches.
func TestQueueTakesUrgentFirst(t *testing.T) {
	q := newQueue()
	for i := range uint64(10) {
		require.True(t, q.put(item{message: appended(i, 1000)}))
		require.True(t, q.put(item{message: heartbeat(i)}))
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
	q := newQueue()
	for range urgentMessagesMax {
		require.True(t, q.put(item{message: heartbeat(1)}))
	}
	require.False(t, q.put(item{message: heartbeat(1)}))

	large := appended(1, bulkBytesMax+1)
	require.True(t, q.put(item{message: large}))
	require.False(t, q.put(item{message: appended(1, 0)}))
	require.Len(t, q.drop(), urgentMessagesMax+1)
	require.Empty(t, q.drop())

	quarter := appended(1, bulkBytesMax/4)
	for range 3 {
		require.True(t, q.put(item{message: quarter}))
	}
	require.False(t, q.put(item{message: quarter}))
	require.Len(t, q.take(nil, 1), 1)
	require.True(t, q.put(item{message: quarter}))
}
