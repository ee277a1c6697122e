package config

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: members can call each other with TLS. Method: ask for what they call with, as each connection does.
func TestMembersCallWithTLS(t *testing.T) {
	c := Config{DataDir: t.TempDir(), PeerAutoTLS: true, SelfSignedCertValidity: 1, ListenPeerURLs: []string{"https://localhost:2380"}}
	server, client, err := c.TLSForPeers(slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NotNil(t, server)
	require.True(t, client().InsecureSkipVerify)
}
