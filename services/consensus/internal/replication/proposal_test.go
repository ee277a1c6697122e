package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// A time is put into an entry in place, the entry reads as before otherwise, and one of a member that knows no times stays as it is.
func TestEntriesAreStampedInPlace(t *testing.T) {
	command := &consensusv1.Command{Command: &consensusv1.Command_Put{Put: &consensusv1.PutOp{Key: []byte("k"), Value: []byte("v")}}}
	one, err := newProposal(command)
	require.NoError(t, err)
	entry := encodeLogEntry(7, 9, []*Proposal{one})
	require.Zero(t, logEntryStamp(entry))
	stampLogEntry(entry, 1_800_000_000_123_456_789)
	require.EqualValues(t, 1_800_000_000_123_456_789, logEntryStamp(entry))
	var decoded consensusv1.LogEntry
	require.NoError(t, proto.Unmarshal(entry, &decoded))
	require.EqualValues(t, 7, decoded.GetOrigin())
	require.EqualValues(t, 9, decoded.GetSequence())
	require.EqualValues(t, 1_800_000_000_123_456_789, decoded.GetTime())
	require.True(t, proto.Equal(command, decoded.GetCommands()[0]))

	decoded.Time = 0
	older, err := proto.Marshal(&decoded)
	require.NoError(t, err)
	kept := string(older)
	stampLogEntry(older, 5)
	require.Equal(t, kept, string(older))
	require.Zero(t, logEntryStamp(older))
	for n := range entry {
		stampLogEntry(entry[:n], 5) // of any length
		logEntryStamp(entry[:n])
	}
}
