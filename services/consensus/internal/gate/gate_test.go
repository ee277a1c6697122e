package gate

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: a gate is closed while a replacement is on its way, in either order, without a panic or a wait for each other.
// Method: both at once, over and over.
func TestGateClosesWhileTheStateIsReplaced(t *testing.T) {
	for range 200 {
		g := New(t.Context(), nil, "", &atomic.Bool{})
		use, ok := g.Enter()
		require.True(t, ok)
		var both sync.WaitGroup
		both.Go(g.Close)
		both.Go(func() {
			if old := g.Replace(nil, "", &atomic.Bool{}); old != nil {
				<-old.Idle()
			}
		})
		use.Leave()
		both.Wait()
		g.Close()
		_, ok = g.Enter()
		require.False(t, ok)
		require.Nil(t, g.Replace(nil, "", &atomic.Bool{}))
	}
}
