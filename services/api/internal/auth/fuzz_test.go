package auth

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// FuzzJWT: whatever comes as a token, it shows a user only if the key has signed it; what a signed one claims shows a name that is
// one, or nobody.
func FuzzJWT(f *testing.F) {
	secret := []byte("a secret of some length, in bytes")
	file := filepath.Join(f.TempDir(), "secret")
	require.NoError(f, os.WriteFile(file, secret, 0o600))
	options, err := ParseTokenOptions("jwt,sign-method=HS256,priv-key=" + file)
	require.NoError(f, err)
	j, err := newJWT(options)
	require.NoError(f, err)
	good, err := j.Sign("ann", 7)
	require.NoError(f, err)
	f.Add(good, []byte(`{"username":"ann","revision":7}`))
	f.Add("eyJhbGciOiJub25lIn0.e30.", []byte(`{"username":"","revision":-1,"exp":"x"}`))
	f.Add("..", []byte(`{"username":["a"],"revision":1e400,"exp":-1}`))
	f.Fuzz(func(t *testing.T, token string, claims []byte) {
		if identity, err := j.Verify(t.Context(), token); err == nil {
			_, err = jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithValidMethods([]string{"HS256"})).Parse(token, func(*jwt.Token) (any, error) { return secret, nil })
			require.NoError(t, err, "%v by a token that the key has not signed", identity.Caller)
		}
		var said jwt.MapClaims
		if json.Unmarshal(claims, &said) != nil {
			return
		}
		identity, err := identityOf(said)
		if err == nil {
			require.NotEmpty(t, identity.Caller.GetName())
			require.Positive(t, identity.Caller.GetRevision())
		}
	})
}

// FuzzTokenOptions: whatever --auth-token says, reading it ends.
func FuzzTokenOptions(f *testing.F) {
	f.Add("simple")
	f.Add("jwt,pub-key=a,priv-key=b,sign-method=ES256,ttl=5m")
	f.Add("jwt,,=,ttl=-1h,ttl=2h")
	f.Fuzz(func(t *testing.T, text string) { _, _ = ParseTokenOptions(text) })
}
