package auth

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

// Goal: passwords match exactly where bcrypt says so. Method: random passwords and damaged hashes beside the library.
func TestMatchesIsBcrypts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		password := make([]byte, r.IntN(passwordBytesMax+1))
		for i := range password {
			password[i] = byte(r.Uint32())
		}
		hash, err := bcrypt.GenerateFromPassword(password, bcrypt.MinCost+n%3)
		require.NoError(t, err)
		require.True(t, matches(hash, password))
		other := append(password[:len(password):len(password)], 'x')
		if len(other) <= passwordBytesMax {
			require.False(t, matches(hash, other))
		}
		at := hashPrefixChars + r.IntN(len(hash)-hashPrefixChars) // a damaged cost would take long
		hash[at] ^= byte(1 << r.IntN(7))
		require.Equal(t, bcrypt.CompareHashAndPassword(hash, password) == nil, matches(hash, password), "%q", hash)
		require.False(t, matches(hash[:at], password))
	}
	require.False(t, matches(nil, nil))
	require.False(t, matches([]byte("$2a$99$"+string(make([]byte, saltChars+sumChars))), nil))
}
