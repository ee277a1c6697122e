package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// FuzzLogEntry: whatever an entry's payload is, reading and stamping it end; a stamp changes nothing but the time, and that only
// where one stands.
func FuzzLogEntry(f *testing.F) {
	p, err := newProposal(&consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte("k"), Value: []byte("v")}}})
	require.NoError(f, err)
	whole := encodeLogEntry(7, 9, []*Proposal{p, p})
	change, err := proto.Marshal(&raftpb.ConfChange{Type: raftpb.ConfChangeAddNode.Enum(), NodeId: new(uint64(3)), Context: []byte("c")})
	require.NoError(f, err)
	f.Add(whole, int64(1))
	f.Add(whole[:20], int64(-1))
	f.Add(change, int64(0))
	f.Fuzz(func(t *testing.T, data []byte, now int64) {
		origin, sequence, ok := logEntryHeader(data)
		before := &consensusv1.LogEntry{}
		decodes := proto.Unmarshal(data, before) == nil
		had := logEntryTimeField(data) != nil
		stampLogEntry(data, now)
		require.True(t, !had || logEntryStamp(data) == now)
		again, number, still := logEntryHeader(data)
		require.Equal(t, []any{origin, sequence, ok}, []any{again, number, still})
		after := &consensusv1.LogEntry{}
		if decodes {
			require.NoError(t, proto.Unmarshal(data, after))
			require.Len(t, after.GetCommands(), len(before.GetCommands()))
		}
		_, _ = DecodeConfChange(&raftpb.Entry{Type: raftpb.EntryConfChange.Enum(), Data: data})
	})
}
