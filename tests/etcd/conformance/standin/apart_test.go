package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: each program gets those of a member's flags that it takes. Method: flags in both forms, switches, and those of another program.
func TestTaken(t *testing.T) {
	const usage = "About.\n\nNode:\n  --name 'default'\n    Text with --data-dir in it.\n  --enable-v2 'true'\n  --cors '*'\n  --listen-metrics-urls ''\n"
	args := []string{"--name", "m0", "--data-dir=/d", "--enable-v2", "--cors=a", "--listen-metrics-urls=http://x:1", "--unknown", "value"}
	require.Equal(t, []string{"--name", "m0", "--enable-v2", "--cors=a"}, taken(usage, "quorate-lease", args))
	require.Equal(t, []string{"--name", "m0", "--enable-v2", "--cors=a", "--listen-metrics-urls=http://x:1"}, taken(usage, "quorate-api", args))
}

// Goal: members find each other's services by their peers' ports. Method: three founders, of which one has two URLs, and a member alone.
func TestPeerURLs(t *testing.T) {
	peers, err := peerURLs(map[string]string{"initial-cluster": "a=http://localhost:20001,a=http://localhost:20003,b=https://localhost:20006"})
	require.NoError(t, err)
	require.Len(t, peers, 2)
	require.Equal(t, "http://127.0.0.1:30001", shifted(peers[0], "http", consensusAbove))
	require.Equal(t, "nats://127.0.0.1:30009", shifted(peers[1], "nats", routesAbove))
	alone, err := peerURLs(map[string]string{"name": "a", "listen-peer-urls": "http://localhost:20001"})
	require.NoError(t, err)
	require.Len(t, alone, 1)
}
