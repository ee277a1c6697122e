package auth

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
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
		require.True(t, matches(t.Context(), hash, password))
		other := append(password[:len(password):len(password)], 'x')
		if len(other) <= passwordBytesMax {
			require.False(t, matches(t.Context(), hash, other))
		}
		anywhere := hashPrefixChars + r.IntN(len(hash)-hashPrefixChars) // a damaged cost would take long
		for _, at := range []int{anywhere, hashPrefixChars + saltChars - 1, len(hash) - 1} {
			damaged := bytes.Clone(hash)
			damaged[at] ^= byte(1 << r.IntN(7))
			require.Equal(t, bcrypt.CompareHashAndPassword(damaged, password) == nil, matches(t.Context(), damaged, password), "%q", damaged)
			require.False(t, matches(t.Context(), damaged[:at], password))
		}
	}
	require.False(t, matches(t.Context(), nil, nil))
	require.False(t, matches(t.Context(), []byte("$2a$99$"+string(make([]byte, saltChars+sumChars))), nil))
}

// Goal: a comparison holds its place no longer than its request lasts, whatever cost a hash has that came with it. Method: one that would take days.
func TestComparisonEndsWithItsRequest(t *testing.T) {
	costly := &consensusv1.User{Name: "ann", PasswordHash: []byte("$2a$31$" + strings.Repeat("a", saltChars-1) + "." + strings.Repeat("a", sumChars-1) + ".")}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	p := NewPasswords(bcrypt.MinCost)
	free := p.turns.mu.free
	require.ErrorIs(t, p.Check(ctx, costly, "one", ""), context.DeadlineExceeded)
	require.Equal(t, free, p.turns.mu.free)
}
