package wire

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: what a peer URL stands for survives the way through a request's URL. Method: each kind.
func TestRequestURLs(t *testing.T) {
	for text, want := range map[string][3]string{
		"http://10.0.0.1:2380/":    {"tcp", "10.0.0.1:2380", "10.0.0.1"},
		"https://host:2380":        {"tcp", "host:2380", "host"},
		"unix:///tmp/a.sock":       {"unix", "/tmp/a.sock", SocketServerName},
		"unixs://localhost:2380":   {"unix", "localhost:2380", SocketServerName},
		"unix://relative/dir.sock": {"unix", "relative/dir.sock", SocketServerName},
	} {
		made := RequestURL(text)
		scheme, address, _ := strings.Cut(made, "://")
		require.Equal(t, strings.HasPrefix(text, "https") || strings.HasPrefix(text, "unixs"), scheme == "https")
		network, to, name := Endpoint(address)
		require.Equal(t, want, [3]string{network, to, name}, text)
	}
	for _, text := range []string{"ftp://x:1", "http://nowhere", "unix://", "x"} {
		_, err := ParseURL(text)
		require.Error(t, err, text)
	}
}
