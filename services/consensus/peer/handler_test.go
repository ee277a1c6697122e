package peer

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// slowWriter is an answer whose deadline takes until release to be set.
type slowWriter struct {
	*httptest.ResponseRecorder
	entered, release chan struct{}
}

func (w slowWriter) SetWriteDeadline(time.Time) error {
	close(w.entered)
	<-w.release
	return nil
}

// Goal: a member does not crash (SetWriteDeadline of an answer over HTTP/2 that is over, a nil pointer in net/http) when a request of another is
// abandoned the moment it ends. Method: a request that ends while its deadline is being set, on a fake clock.
func TestAbandonedRequestThatEndsDoesNotCrash(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		transport, err := New(Config{AdvertiseURLs: []string{"http://127.0.0.1:2380"}, SnapshotDir: dir})
		require.NoError(t, err)
		transport.mu.running = &run{ctx: t.Context(), cluster: testCluster, self: 0xa}
		transport.SetPeers([]*consensusv1.Member{{Id: 0xb}})
		w := slowWriter{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
		ctx, abandon := context.WithCancel(t.Context())
		transport.Mount("/mounted", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			abandon()
			<-w.entered
		}))
		request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/mounted", http.NoBody)
		(wire.Greeting{Cluster: testCluster, From: 0xb, To: 0xa, Protocol: wire.ProtocolVersion, ProtocolMin: wire.ProtocolVersionMin}).Write(request.Header)
		over := false
		go func() {
			transport.Handler().ServeHTTP(w, request)
			over = true
		}()
		synctest.Wait()
		require.False(t, over, "the answer is still in use")
		close(w.release)
		synctest.Wait()
		require.True(t, over)
		require.Equal(t, http.StatusOK, w.Code)
	})
}
