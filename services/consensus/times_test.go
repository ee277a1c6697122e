package consensus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
			require.NoError(t, knows.reader.linearize(t.Context()))
			at, known, err := knows.store().TimeOf(t.Context(), revision)
			require.NoError(t, err)
			require.True(t, known)
			made := time.Unix(0, at)
			require.True(t, made.After(before.Add(-time.Second)) && made.Before(after), "%s, put between %s and %s, at the leader: %t", made, before, after, m == leader)
		}
	}
}
