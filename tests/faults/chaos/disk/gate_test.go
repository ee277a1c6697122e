package disk

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/require"
)

// Goal: what passes a gate waits as long as the gate is shut, or as long as it delays, and fails when it is broken off. Method: a fake
// clock.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{}
		begin := time.Now()
		pass := func(status fuse.Status) time.Duration {
			require.Equal(t, status, g.pass())
			return time.Since(begin)
		}
		require.Zero(t, pass(fuse.OK))

		g.close()
		g.close()
		time.AfterFunc(time.Second, g.open)
		require.Equal(t, time.Second, pass(fuse.OK))

		g.delay(time.Minute)
		require.Equal(t, time.Minute+time.Second, pass(fuse.OK))
		g.open()
		require.Equal(t, time.Minute+time.Second, pass(fuse.OK))

		g.close()
		time.AfterFunc(time.Second, g.breakOff)
		time.AfterFunc(2*time.Second, g.open)
		require.Equal(t, time.Minute+2*time.Second, pass(fuse.EIO))
		require.Equal(t, time.Minute+3*time.Second, pass(fuse.OK), "it is still shut")
	})
}
