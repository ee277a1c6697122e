package auth

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

// Goal: passwords match exactly where bcrypt says so. Method: random passwords, of the least and the greatest lengths too, and damaged
// hashes beside the library: damaged anywhere, and where the salt and the sum end, some of whose last bits say nothing.
func TestMatchesIsBcrypts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	lengths := []int{0, 1, passwordBytesMax - 1, passwordBytesMax}
	for len(lengths) < 24 {
		lengths = append(lengths, r.IntN(passwordBytesMax+1))
	}
	for n, length := range lengths {
		password := make([]byte, length)
		for i := range password {
			password[i] = byte(r.Uint32())
		}
		// Each cost doubles the time.
		hash, err := bcrypt.GenerateFromPassword(password, bcrypt.MinCost+max(0, n+3-len(lengths)))
		require.NoError(t, err)
		require.True(t, matches(hash, password))
		other := append(password[:len(password):len(password)], 'x')
		if len(other) <= passwordBytesMax {
			require.False(t, matches(hash, other))
		}
		anywhere := hashPrefixChars + r.IntN(len(hash)-hashPrefixChars) // a damaged cost would take long
		for _, at := range []int{anywhere, hashPrefixChars + saltChars - 1, len(hash) - 1} {
			damaged := bytes.Clone(hash)
			damaged[at] ^= byte(1 << r.IntN(7))
			require.Equal(t, bcrypt.CompareHashAndPassword(damaged, password) == nil, matches(damaged, password), "%q", damaged)
			require.False(t, matches(damaged[:at], password))
		}
	}
	require.False(t, matches(nil, nil))
	require.False(t, matches([]byte("$2a$99$"+string(make([]byte, saltChars+sumChars))), nil))
}
