package watchnode

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: addresses of routes are taken in the one form that is documented, and everything else is refused. Method: the
// table.
func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"nats://0.0.0.0:6222":  "0.0.0.0:6222",
		"nats://watch-1:6222":  "watch-1:6222",
		"nats://watch-1:6222/": "watch-1:6222",
		"nats://[::1]:6222":    "[::1]:6222",
		"watch-1:6222":         "",
		"http://watch-1:6222":  "",
		"nats://watch-1":       "",
		"nats://:6222":         "",
		"nats://watch-1:1/x":   "",
		"":                     "",
	} {
		got, err := address(text)
		require.Equal(t, want, got, text)
		require.Equal(t, want == "", err != nil, text)
	}
}
