package spiffe

import (
	"crypto/x509"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzUsers: whatever a file of ids and users has, and whatever id a certificate, reading and looking up end, and an id of another
// scheme is none.
func FuzzUsers(f *testing.F) {
	f.Add([]byte("spiffe://example.org/a: ann\nspiffe://example.org/b/*: bob\n"), "spiffe://example.org/b/c")
	f.Add([]byte("spiffe://example.org/*: all\n"), "spiffe://example.org")
	f.Add([]byte("a: {b: c}\n"), "http://example.org/a")
	f.Add([]byte("? *x\n: y\n"), "spiffe:a")
	f.Fuzz(func(t *testing.T, file []byte, id string) {
		users, err := New(file)
		if err != nil {
			return
		}
		uri, err := url.Parse(id)
		if err != nil {
			return
		}
		name, known := users.Of(&x509.Certificate{URIs: []*url.URL{uri}})
		require.Equal(t, uri.Scheme == scheme, known)
		require.True(t, known || name == "")
		name, _ = users.Of(&x509.Certificate{URIs: []*url.URL{uri, uri}})
		require.Empty(t, name, "two ids are nobody's")
	})
}
