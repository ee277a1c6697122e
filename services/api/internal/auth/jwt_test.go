package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// keyFiles are the files of one pair.
type keyFiles struct{ private, public string }

func writePEM(t *testing.T, name, kind string, der []byte, err error) string {
	t.Helper()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return file
}

func writeKeys(t *testing.T, private, public any) keyFiles {
	t.Helper()
	sign, err := x509.MarshalPKCS8PrivateKey(private)
	privateFile := writePEM(t, "key.pem", "PRIVATE KEY", sign, err)
	verify, err := x509.MarshalPKIXPublicKey(public)
	return keyFiles{privateFile, writePEM(t, "pub.pem", "PUBLIC KEY", verify, err)}
}

func rsaKeys(t *testing.T) keyFiles {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return writeKeys(t, key, &key.PublicKey)
}

func ecKeys(t *testing.T, curve elliptic.Curve) keyFiles {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return writeKeys(t, key, &key.PublicKey)
}

func edKeys(t *testing.T) keyFiles {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return writeKeys(t, private, public)
}

func secretFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte("a secret of some length, in bytes"), 0o600))
	return file
}

func load(t *testing.T, options string) *JWT {
	t.Helper()
	parsed, err := ParseTokenOptions(options)
	require.NoError(t, err)
	made, err := newJWT(parsed)
	require.NoError(t, err)
	return made
}

// Goal: tokens of each of etcd's methods are signed and verified, by their public key alone too, which signs none; what they carry is what
// etcd reads. Method: a pair of keys for each method, and a parser that is not ours.
func TestEveryMethodSignsAndVerifies(t *testing.T) {
	rsaPair, edPair, secret := rsaKeys(t), edKeys(t), secretFile(t)
	p256, p384, p521 := ecKeys(t, elliptic.P256()), ecKeys(t, elliptic.P384()), ecKeys(t, elliptic.P521())
	for method, pair := range map[string]keyFiles{
		"RS256": rsaPair, "RS384": rsaPair, "RS512": rsaPair, "PS256": rsaPair, "PS384": rsaPair, "PS512": rsaPair,
		"ES256": p256, "ES384": p384, "ES512": p521, "EdDSA": edPair,
		"HS256": {private: secret}, "HS384": {private: secret}, "HS512": {private: secret},
	} {
		signs := load(t, "jwt,sign-method="+method+",priv-key="+pair.private+",ttl=1h")
		token, err := signs.Sign("alice", 7)
		require.NoError(t, err, method)
		claims := jwt.MapClaims{}
		_, _, err = jwt.NewParser().ParseUnverified(token, claims)
		require.NoError(t, err, method)
		require.Equal(t, "alice", claims["username"], method)
		require.InDelta(t, 7, claims["revision"], 0, method)
		require.InDelta(t, float64(time.Now().Add(time.Hour).Unix()), claims["exp"], 5, method)
		require.Len(t, claims, 3)

		verifies := signs
		if pair.public != "" {
			verifies = load(t, "jwt,sign-method="+method+",pub-key="+pair.public)
			_, err = verifies.Sign("alice", 7)
			require.Equal(t, errVerifyOnly, err, method)
			load(t, "jwt,sign-method="+method+",pub-key="+pair.public+",priv-key="+pair.private)
		}
		for range 2 { // the second time from memory
			identity, err := verifies.Verify(t.Context(), token)
			require.NoError(t, err, method)
			require.Equal(t, "alice", identity.Caller.GetName())
			require.Equal(t, uint64(7), identity.Caller.GetRevision())
		}
	}
}

// Goal: a token that was forged, altered, made for another method or without one, or that lacks a claim, shows nobody. Method: a table of
// them.
func TestForgedTokens(t *testing.T) {
	pair, secret := rsaKeys(t), secretFile(t)
	j := load(t, "jwt,sign-method=RS256,priv-key="+pair.private)
	good, err := j.Sign("alice", 7)
	require.NoError(t, err)
	public, err := os.ReadFile(pair.public)
	require.NoError(t, err)
	sign := func(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
		token, err := jwt.NewWithClaims(method, claims).SignedString(key)
		require.NoError(t, err)
		return token
	}
	own := func(claims jwt.MapClaims) string { return sign(jwt.SigningMethodRS256, j.keys.sign, claims) }
	root := jwt.MapClaims{"username": "root", "revision": 7}
	extended := jwt.NewWithClaims(jwt.SigningMethodRS256, root)
	extended.Header["crit"] = []string{"b64"}
	critical, err := extended.SignedString(j.keys.sign)
	require.NoError(t, err)
	elsewhere, err := load(t, "jwt,sign-method=HS256,priv-key="+secret).Sign("root", 7)
	require.NoError(t, err)
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"nothing":                      "",
		"a word":                       "token",
		"a simple token":               "abcdef.17",
		"no signature":                 parts[0] + "." + parts[1] + ".",
		"another's claims":             parts[0] + "." + strings.Split(own(root), ".")[1] + "." + parts[2],
		"no method":                    sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, root),
		"the public key as a secret":   sign(jwt.SigningMethodHS256, public, root),
		"the same key, another method": sign(jwt.SigningMethodPS256, j.keys.sign, root),
		"another key":                  elsewhere,
		"no name":                      own(jwt.MapClaims{"revision": 7}),
		"an empty name":                own(jwt.MapClaims{"username": "", "revision": 7}),
		"a long name":                  own(jwt.MapClaims{"username": strings.Repeat("x", nameMax+1), "revision": 7}),
		"no revision":                  own(jwt.MapClaims{"username": "root"}),
		"revision zero":                own(jwt.MapClaims{"username": "root", "revision": 0}),
		"a negative revision":          own(jwt.MapClaims{"username": "root", "revision": -1}),
		"a revision in words":          own(jwt.MapClaims{"username": "root", "revision": "7"}),
		"ended":                        own(jwt.MapClaims{"username": "root", "revision": 7, "exp": time.Now().Add(-time.Minute).Unix()}),
		"an extension that counts":     critical,
		"not yet":                      own(jwt.MapClaims{"username": "root", "revision": 7, "nbf": time.Now().Add(time.Minute).Unix()}),
	} {
		_, err := j.Verify(t.Context(), token)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, ErrNotMine, name)
	}
	_, err = j.Verify(t.Context(), sign(jwt.SigningMethodHS256, []byte("another"), jwt.MapClaims{"username": "root", "revision": 7, "iss": "https://issuer"}))
	require.ErrorIs(t, err, ErrNotMine, "an issuer's token is for whoever knows the issuer")
	_, err = j.Verify(t.Context(), own(jwt.MapClaims{"username": "robot", "revision": 7}))
	require.NoError(t, err, "a token may be without an end, as in etcd")
}

// Goal: what is remembered ends with its token, and takes no more room than it may. Method: a bubble of time, and more tokens than are
// remembered.
func TestVerifiedTokensAreForgotten(t *testing.T) {
	j := load(t, "jwt,sign-method=HS256,ttl=1m,priv-key="+secretFile(t))
	synctest.Test(t, func(t *testing.T) {
		token, err := j.Sign("alice", 7)
		require.NoError(t, err)
		_, err = j.Verify(t.Context(), token)
		require.NoError(t, err)
		<-time.After(time.Minute)
		_, err = j.Verify(t.Context(), token)
		require.ErrorIs(t, err, jwt.ErrTokenExpired)
	})
	for revision := range uint64(verifiedMax + 100) {
		token, err := j.Sign("alice", revision+1)
		require.NoError(t, err)
		_, err = j.Verify(t.Context(), token)
		require.NoError(t, err)
	}
	require.LessOrEqual(t, j.verified.Len(), verifiedMax)
}

// Goal: a mistake in --auth-token is told with the option and the file. Method: a table of mistakes.
func TestTokenOptionsRefused(t *testing.T) {
	pair, other, p384 := rsaKeys(t), rsaKeys(t), ecKeys(t, elliptic.P384())
	missing, empty, junk := filepath.Join(t.TempDir(), "missing"), filepath.Join(t.TempDir(), "empty"), filepath.Join(t.TempDir(), "junk")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	require.NoError(t, os.WriteFile(junk, []byte("junk"), 0o600))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	old := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "old"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, old, old, &key.PublicKey, key)
	expired := writePEM(t, "old.pem", "CERTIFICATE", der, err)
	for options, complaint := range map[string]string{
		"bearer":        `"bearer" do not exist`,
		"":              `"" do not exist`,
		"simple,ttl=5m": "option ttl is not one of simple tokens",
		"jwt":           "sign-method=: use RS256",
		"jwt,sign-method=none,priv-key=" + pair.private:                               "sign-method=none: use RS256",
		"jwt,sign-method=RS256":                                                       "priv-key or pub-key is needed",
		"jwt,sign-method=HS256,pub-key=" + pair.public:                                "priv-key is needed with sign-method=HS256",
		"jwt,sign-method=RS256,key=x":                                                 "option key is none of jwt's",
		"jwt,sign-method=RS256,priv-key":                                              `option "priv-key" is not name=value`,
		"jwt,sign-method=RS256,ttl=1m,ttl=2m":                                         "option ttl is given twice",
		"jwt,sign-method=RS256,ttl=-1m,priv-key=x":                                    "ttl=-1m is not a time above zero",
		"jwt,sign-method=RS256,ttl=soon,priv-key=x":                                   "ttl=soon is not a time above zero",
		"jwt,sign-method=RS256,priv-key=" + missing:                                   "priv-key: open " + missing,
		"jwt,sign-method=RS256,pub-key=" + missing:                                    "pub-key: open " + missing,
		"jwt,sign-method=RS256,pub-key=" + empty:                                      "pub-key=" + empty + ": the file is empty",
		"jwt,sign-method=RS256,priv-key=" + junk:                                      "priv-key=" + junk + ": ",
		"jwt,sign-method=RS256,pub-key=" + junk:                                       "pub-key=" + junk + ": it is not PEM",
		"jwt,sign-method=EdDSA,priv-key=" + pair.private:                              "priv-key=" + pair.private + ": ",
		"jwt,sign-method=EdDSA,pub-key=" + pair.public:                                "pub-key=" + pair.public + ": ",
		"jwt,sign-method=ES256,pub-key=" + expired:                                    "the certificate has expired at",
		"jwt,sign-method=ES256,priv-key=" + p384.private:                              "a curve of 384 bits, and sign-method=ES256 wants 256",
		"jwt,sign-method=ES256,pub-key=" + p384.public:                                "a curve of 384 bits, and sign-method=ES256 wants 256",
		"jwt,sign-method=RS256,priv-key=" + pair.private + ",pub-key=" + other.public: "is not the public key of priv-key=" + pair.private,
	} {
		parsed, err := ParseTokenOptions(options)
		if err == nil {
			_, err = parsed.Load()
		}
		require.ErrorContains(t, err, complaint, options)
	}
}

// Goal: each kind of token is verified and made by whom it should be. Method: load each kind.
func TestKindsOfTokens(t *testing.T) {
	of := func(options string) Tokens {
		parsed, err := ParseTokenOptions(options)
		require.NoError(t, err)
		tokens, err := parsed.Load()
		require.NoError(t, err)
		return tokens
	}
	require.Equal(t, Tokens{}, of("simple"))
	none := of("none")
	require.True(t, none.NoSimpleTokens)
	_, err := none.Signer.Sign("alice", 7)
	require.ErrorContains(t, err, "authentication failed")
	signed := of("jwt,sign-method=HS256,priv-key=" + secretFile(t))
	require.True(t, signed.NoSimpleTokens)
	require.Len(t, signed.Verifiers, 1)
}
