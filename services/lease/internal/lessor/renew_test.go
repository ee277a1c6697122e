package lessor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Goal: a renewal that must not wait leaves alone what it would wait for, and takes no latch. Method: one lease with a record in the
// log, one that is latched, one that is neither, and none; then the same with waiting.
func TestRenewalThatMustNotWait(t *testing.T) {
	l := New(Config{MinTTL: 2, CheckpointInterval: time.Minute})
	now := Moment{At: Uptime(time.Second)}
	l.Acquired(now, now, 1)
	require.NoError(t, l.Activate(1))
	for id := int64(1); id <= 3; id++ {
		l.table.add(id, 60, Instant(time.Hour), 0)
	}
	l.table.leases[1].checkpointed = true
	_, _, latched := l.Latch(2)
	require.True(t, latched)

	r := NewRenewal([]int64{1, 2, 3, 4}, now)
	r.NoWait = true
	require.True(t, l.Renew(now, r))
	require.True(t, r.Answered())
	require.Equal(t, []int64{Waits, Waits, 60, 0}, r.TTLs)
	require.Equal(t, 1, r.Renewed)
	require.Len(t, l.table.latches, 1)

	r = NewRenewal([]int64{1, 2, 3, 4}, now)
	require.True(t, l.Renew(now, r))
	require.False(t, r.Answered())
	require.Equal(t, []int64{1}, r.Recorded)
	require.Equal(t, l.table.latches[2], r.Busy)
}
