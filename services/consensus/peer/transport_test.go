package peer

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// Goal: messages arrive whole and, within urgent and bulky ones, in the order they were sent, both ways. Method: two
// transports over loopback, some thousand messages of both kinds in batches of changing size.
func TestMessagesArriveInOrder(t *testing.T) {
	a, b := pair(t)
	const total = 3000
	for _, way := range [][2]*node{{a, b}, {b, a}} {
		from, to := way[0], way[1]
		sent := map[raftpb.MessageType][]*raftpb.Message{}
		var batch []*raftpb.Message
		for i := range uint64(total) {
			m := heartbeat(from, to, i)
			if i%3 == 0 {
				m = appended(from, to, i, int(i%7)*1000)
			}
			sent[m.GetType()] = append(sent[m.GetType()], m)
			batch = append(batch, m)
			if uint64(len(batch)) > i%50 {
				from.Send(batch)
				batch = nil
			}
		}
		from.Send(batch)
		for range total {
			m := await(t, to.receiver.messages)
			want := sent[m.GetType()][0]
			sent[m.GetType()] = sent[m.GetType()][1:]
			require.True(t, proto.Equal(want, m), "got %v instead of %v", m, want)
		}
	}
	_, active := a.ActiveSince(b.receiver.id)
	require.True(t, active)
	_, active = a.ActiveSince(0xdead)
	require.False(t, active)
}
