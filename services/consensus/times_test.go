package consensus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// What is put at a follower has the leader's time, which all members know it by, to a second.
func TestRevisionsHaveTheLeadersTime(t *testing.T) {
	_, members := cluster(t, 3)
	leader := leaderOf(t, members)
	for _, m := range members {
		before := time.Now()
		revision := m.mustPut(t, "k", "v")
		after := time.Now()
		for _, knows := range members {
			require.NoError(t, knows.linearize(t.Context()))
			at, known, err := knows.store().TimeOf(t.Context(), revision)
			require.NoError(t, err)
			require.True(t, known)
			made := time.Unix(0, at)
			require.True(t, made.After(before.Add(-time.Second)) && made.Before(after), "%s, put between %s and %s, at the leader: %t", made, before, after, m == leader)
		}
	}
}

// A time is put into an entry in place, the entry reads as before otherwise, and one of a member that knows no times stays as it is.
func TestEntriesAreStampedInPlace(t *testing.T) {
	one, err := newProposal(put("k", "v"))
	require.NoError(t, err)
	entry := encodeLogEntry(7, 9, []*proposal{one})
	require.Zero(t, logEntryStamp(entry))
	stampLogEntry(entry, 1_800_000_000_123_456_789)
	require.EqualValues(t, 1_800_000_000_123_456_789, logEntryStamp(entry))
	var decoded consensusv1.LogEntry
	require.NoError(t, proto.Unmarshal(entry, &decoded))
	require.EqualValues(t, 7, decoded.GetOrigin())
	require.EqualValues(t, 9, decoded.GetSequence())
	require.EqualValues(t, 1_800_000_000_123_456_789, decoded.GetTime())
	require.True(t, proto.Equal(put("k", "v"), decoded.GetCommands()[0]))

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
