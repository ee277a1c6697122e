package auth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzTokens: whatever comes as a token, it is somebody's only if it is one that was made.
func FuzzTokens(f *testing.F) {
	k := locked(f)
	tokens := NewTokens(time.Minute, func() time.Time { return time.Unix(1_000_000, 0) })
	made := tokens.Make(k.state, k.state.User("ann"))
	f.Add(made)
	f.Add(made + "=")
	f.Add("abc.17")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if caller, err := tokens.Verify(k.state, token); err == nil {
			require.Equal(t, "ann", caller.GetName())
			// Base64 may write the last letter in several ways, which say the same.
			require.Len(t, token, len(made))
			require.Equal(t, made[:len(made)-1], token[:len(made)-1])
		}
	})
}

// FuzzRecords: whatever records of users and roles a snapshot brings, reading them ends, and nobody is let in by what cannot be read.
func FuzzRecords(f *testing.F) {
	f.Add(recordSettings, []byte{8, 1})
	f.Add(prefixUser+"ann", []byte{10, 3, 'a', 'n', 'n'})
	f.Add(prefixRole+"reader", []byte{})
	f.Add(prefixUse+"x", []byte{0xff})
	f.Add("other", []byte("x"))
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		state, err := Load(func(fn func(name string, value []byte) error) error { return fn(name, value) })
		if err != nil {
			require.Nil(t, state)
			return
		}
		_, err = NewTokens(time.Minute, time.Now).Verify(state, name)
		require.Error(t, err)
	})
}
