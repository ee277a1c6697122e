package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Goal: retention is read as etcd reads it. Method: a table of texts for both modes.
func TestRetention(t *testing.T) {
	tests := []struct {
		mode, text string
		age        time.Duration
		revisions  int64
		want       string
	}{
		{CompactPeriodic, "0", 0, 0, ""},
		{CompactPeriodic, "1", time.Hour, 0, ""},
		{CompactPeriodic, "10m", 10 * time.Minute, 0, ""},
		{CompactPeriodic, "1h30m", 90 * time.Minute, 0, ""},
		{CompactPeriodic, "-1", 0, 0, "out of range"},
		{CompactPeriodic, "9999999999", 0, 0, "out of range"},
		{CompactPeriodic, "-10m", 0, 0, "a duration"},
		{CompactPeriodic, "", 0, 0, "a duration"},
		{CompactRevision, "1000", 0, 1000, ""},
		{CompactRevision, "1h", 0, 0, "a number of revisions"},
		{CompactRevision, "-1", 0, 0, "a number of revisions"},
		{"sometimes", "1", 0, 0, "--auto-compaction-mode=sometimes"},
	}
	for _, test := range tests {
		c := Default()
		c.AutoCompactionMode, c.AutoCompactionRetention = test.mode, test.text
		age, revisions, err := c.Retention()
		if test.want != "" {
			require.ErrorContains(t, err, test.want, test)
			continue
		}
		require.NoError(t, err, test)
		require.Equal(t, test.age, age, test)
		require.Equal(t, test.revisions, revisions, test)
	}
}
