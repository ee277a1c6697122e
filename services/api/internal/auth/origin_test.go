package auth

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: a client cannot be many by its ports, or by the addresses of its own network. Method: each form of an address.
func TestOrigins(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.7:41522":               "10.0.0.7",
		"10.0.0.7":                     "10.0.0.7",
		"[::ffff:10.0.0.7]:1":          "10.0.0.7",
		"[2001:db8:1:2:3:4:5:6]:41522": "2001:db8:1:2::/64",
		"2001:db8:1:2::9":              "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":             "fe80::/64",
		"pipe":                         "",
		"":                             "",
	} {
		require.Equal(t, want, OriginOf(address), address)
	}
}
