package upstream

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzEndpoint: whatever a member list, a DNS record or a file calls an endpoint, what is taken for one can be dialed.
func FuzzEndpoint(f *testing.F) {
	f.Add("http://localhost:2379", true)
	f.Add("[::1]:2379", false)
	f.Add("unixs:///run/quorate", false)
	f.Add("https://user@host:1/", false)
	f.Add(" //:1", true)
	f.Fuzz(func(t *testing.T, text string, secure bool) {
		e, err := ParseEndpoint(text, secure)
		if err != nil {
			return
		}
		require.NotEmpty(t, e.Address)
		require.NotEmpty(t, e.target())
		if !e.Socket() {
			host, port, err := net.SplitHostPort(e.Address)
			require.NoError(t, err)
			require.NotEmpty(t, host)
			require.NotEmpty(t, port)
		}
	})
}
