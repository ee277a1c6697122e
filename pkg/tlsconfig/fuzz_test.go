package tlsconfig

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzRevocationLists: whatever a file of revocation lists has, reading it ends.
func FuzzRevocationLists(f *testing.F) {
	f.Add([]byte("-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"))
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Add([]byte("-----BEGIN "))
	f.Fuzz(func(t *testing.T, content []byte) {
		lists, err := revocationLists(content)
		if err != nil {
			return
		}
		made := &revoked{numbers: map[string]bool{}, pairs: map[string]bool{}}
		for _, list := range lists {
			require.NotNil(t, list)
			made.add(list)
		}
	})
}
