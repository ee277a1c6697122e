package pebbletuning

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"
)

// Goal: Pebble accepts both tunings, and only the log has a write-ahead file: it alone is synced for a write. Method: Pebble's own check.
func TestTuningIsAccepted(t *testing.T) {
	log, state := Log(), State(64<<20, 1000)
	require.False(t, log.DisableWAL)
	require.True(t, state.DisableWAL)
	for _, o := range []*pebble.Options{log, state} {
		o.EnsureDefaults()
		require.NoError(t, o.Validate())
	}
}
