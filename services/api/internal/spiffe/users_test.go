package spiffe

import (
	"crypto/x509"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goal: an id has the user of its own line, else of the nearest line above it; what is no id of the file is nobody's.
// Method: ids on the edges of the lines.
func TestUserOfAnID(t *testing.T) {
	users, err := New([]byte("spiffe://a.example/ns/prod/sa/api: api\nspiffe://a.example/ns/prod/*: prod\nspiffe://b.example/*: b\n"))
	require.NoError(t, err)
	for _, c := range []struct {
		uris  []string
		name  string
		known bool
	}{
		{nil, "", false},
		{[]string{"https://a.example/ns/prod/sa/api"}, "", false},
		{[]string{"spiffe://a.example/ns/prod/sa/api"}, "api", true},
		{[]string{"spiffe://a.example/ns/prod/sa/api2"}, "prod", true},
		{[]string{"spiffe://a.example/ns/prod"}, "", true},
		{[]string{"spiffe://a.example/ns/production/x"}, "", true},
		{[]string{"spiffe://b.example/any/thing"}, "b", true},
		{[]string{"spiffe://c.example/any"}, "", true},
		{[]string{"spiffe://a.example/ns/prod/x?y=z"}, "", true},
		{[]string{"spiffe://a.example/ns/prod/sa/api", "spiffe://b.example/x"}, "", true},
		{[]string{"spiffe://a.example/ns/prod/sa/api", "https://x.example"}, "", true},
	} {
		certificate := &x509.Certificate{}
		for _, text := range c.uris {
			u, err := url.Parse(text)
			require.NoError(t, err)
			certificate.URIs = append(certificate.URIs, u)
		}
		name, known := users.Of(certificate)
		require.Equal(t, c.name, name, c.uris)
		require.Equal(t, c.known, known, c.uris)
	}
}

// Goal: a mistake in the file is reported with its line. Method: one mistake a case.
func TestMistakesNameTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "line 1: it has no ids",
		"[a]":                              "line 1: a mapping",
		"spiffe://a/b: c\nhttps://a/b: d":  `line 2: "https://a/b" is no SPIFFE id`,
		"spiffe://a: c":                    "line 1: \"spiffe://a\" is no SPIFFE id",
		"spiffe://a/*/b: c":                "line 1: \"spiffe://a/*/b\" is no SPIFFE id",
		"spiffe://a/b/: c":                 "is no SPIFFE id",
		"spiffe://a/b:\n":                  "line 1: the name of a user",
		"spiffe://a/b: c\nspiffe://a/b: d": "line 2: \"spiffe://a/b\" is there twice",
	} {
		_, err := New([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}
