package quorate

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: a service that fails stops the store, and who waits for it learns which and why. Method: close the clients'
// listener under a running store.
func TestFailureOfAServiceStopsTheStore(t *testing.T) {
	c := DefaultConfig()
	c.DataDir = filepath.Join(t.TempDir(), "data")
	c.ListenClientURLs, c.ListenPeerURLs = []string{"http://127.0.0.1:0"}, []string{"http://127.0.0.1:0"}
	c.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	server, err := Start(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, server.parts.clients.Clients[0].Close())
	require.ErrorContains(t, server.Wait(), "api: ")
	require.ErrorContains(t, server.Close(), "use of closed network connection")
}
