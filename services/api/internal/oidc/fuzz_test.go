package oidc

import (
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// FuzzToken: whatever comes as a token, it is read to its end, and one that is signed by no key that is known verifies as nothing.
func FuzzToken(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJodHRwczovL2lzc3VlciJ9.c2ln")
	f.Add("a.e30.")
	f.Add("...")
	f.Fuzz(func(t *testing.T, token string) {
		_ = issuerOf(token)
		signed, err := jose.ParseSigned(token, algorithms)
		if err != nil || len(signed.Signatures) != 1 {
			return
		}
		said, err := new(keys).verify(signed, signed.Signatures[0].Header)
		require.Error(t, err)
		require.Nil(t, said)
	})
}

// FuzzRoleMap: whatever a file of groups and roles has, reading it ends, and nothing in it makes a root of anybody.
func FuzzRoleMap(f *testing.F) {
	f.Add([]byte("admins: writer\nall: [reader, \"\"]\n"))
	f.Add([]byte("a: &a [x]\nb: *a\n? [c]\n: d\n"))
	f.Add([]byte("- a\n- b\n"))
	f.Add([]byte("a: root\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		made, err := parseRoleMap(text)
		if err != nil {
			return
		}
		for group := range made {
			require.NotContains(t, made.of([]string{group}), root)
		}
	})
}
