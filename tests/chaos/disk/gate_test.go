package disk

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/require"
)

// Goal: what passes a gate waits as long as the gate is shut, or as long as it delays, and no longer when the caller ends. Method: a fake
// clock.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		begin := time.Now()
		pass := func() time.Duration {
			require.Equal(t, fuse.OK, g.pass(nil))
			return time.Since(begin)
		}
		require.Zero(t, pass())

		g.shut()
		g.shut()
		time.AfterFunc(time.Second, g.open)
		require.Equal(t, time.Second, pass())

		g.delay(time.Minute)
		require.Equal(t, time.Minute+time.Second, pass())
		g.open()
		require.Equal(t, time.Minute+time.Second, pass())

		for _, hold := range []func(){g.shut, func() { g.open(); g.delay(time.Minute) }} {
			hold()
			cancel := make(chan struct{})
			time.AfterFunc(time.Second, func() { close(cancel) })
			require.Equal(t, fuse.EINTR, g.pass(cancel))
		}
		require.Equal(t, time.Minute+3*time.Second, time.Since(begin))
	})
}
