package lease

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Goal: a stop in the midst of a comparison with the store is no trouble of the store's (it was warned of, at a stop). Method: a stop while the store is asked.
func TestStopDuringAComparisonIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		var log bytes.Buffer
		_, stop := run(t, f, func(c *Config) {
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			c.ReconcileInterval = time.Minute
		})
		asked, release := make(chan struct{}), make(chan struct{})
		f.set(func(h *hooks) {
			h.listed = func() {
				close(asked)
				<-release
			}
		})
		<-asked
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			stop()
		}()
		synctest.Wait()
		close(release)
		<-ended
		require.Empty(t, log.String())
	})
}
