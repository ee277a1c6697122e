package oidc

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// issuer is a small OpenID Connect issuer.
type issuer struct {
	*httptest.Server
	mu    sync.Mutex
	keys  map[string]*rsa.PrivateKey
	away  bool
	asked int // for keys
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{keys: make(map[string]*rsa.PrivateKey)}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		if i.isAway() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.asked++
		if i.away {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		var set jose.JSONWebKeySet
		for id, key := range i.keys {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: id, Algorithm: "RS256", Use: "sig"})
		}
		_ = json.NewEncoder(w).Encode(set)
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	i.addKey(t, "one")
	return i
}

func (i *issuer) addKey(t *testing.T, id string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys[id] = key
}

func (i *issuer) isAway() bool { i.mu.Lock(); defer i.mu.Unlock(); return i.away }
func (i *issuer) leave()       { i.mu.Lock(); defer i.mu.Unlock(); i.away = true }
func (i *issuer) back()        { i.mu.Lock(); defer i.mu.Unlock(); i.away = false }
func (i *issuer) wasAsked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

func (i *issuer) key(id string) crypto.PrivateKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[id]
}

// sign makes a token that is right, with claims changed; nil removes one.
func sign(t *testing.T, i *issuer, now time.Time, algorithm jose.SignatureAlgorithm, keyID string, key any, change map[string]any) string {
	claims := map[string]any{
		"iss": i.URL, "aud": "quorate", "sub": "alice", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "groups": []string{"dev", "root", "ops"},
	}
	for name, value := range change {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: keyID}}, nil)
	require.NoError(t, err)
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	signed, err := signer.Sign(payload)
	require.NoError(t, err)
	token, err := signed.CompactSerialize()
	require.NoError(t, err)
	return token
}

func (i *issuer) token(t *testing.T, now time.Time, change map[string]any) string {
	return sign(t, i, now, jose.RS256, "one", i.key("one"), change)
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *clock) pass(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.at = c.at.Add(d) }

func verifierOf(t *testing.T, i *issuer, change func(*Config)) (*Verifier, *clock) {
	c := Default()
	c.Issuer, c.Audience, c.GroupsClaim = i.URL, "quorate", "groups"
	if change != nil {
		change(&c)
	}
	at := &clock{at: time.Now()}
	v, err := newVerifier(c, slog.New(slog.DiscardHandler), at.now)
	require.NoError(t, err)
	return v, at
}

// Goal: a token shows who its bearer is, under a prefix, with the roles of its groups but root's, until it ends.
// Method: one token, with a map of roles and without.
func TestTokenShowsNameAndRoles(t *testing.T) {
	i := newIssuer(t)
	v, at := verifierOf(t, i, nil)
	token := i.token(t, at.now(), nil)
	for range 3 {
		found, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, "oidc:alice", found.Caller.GetName())
		require.True(t, found.Caller.GetExternal())
		require.Equal(t, []string{"dev", "ops"}, found.Caller.GetRoles())
		require.Equal(t, at.now().Add(time.Hour).Unix(), found.Ends.Unix())
	}
	require.Equal(t, 1, i.wasAsked())
	at.pass(time.Hour + time.Second)
	_, err := v.Verify(t.Context(), token)
	require.ErrorContains(t, err, "expired", "also one that is remembered")

	file := filepath.Join(t.TempDir(), "roles.yaml")
	require.NoError(t, os.WriteFile(file, []byte("dev: [reader, writer]\nother: admin\n"), 0o600))
	v, at = verifierOf(t, i, func(c *Config) { c.RoleMapFile = file })
	found, err := v.Verify(t.Context(), i.token(t, at.now(), nil))
	require.NoError(t, err)
	require.Equal(t, []string{"reader", "writer"}, found.Caller.GetRoles())
}

// Goal: without a prefix a name is that of a user here, with no role from the token, and root comes from no token.
// Method: names without a prefix, and a prefix that makes root of a name.
func TestNamesWithoutPrefixAreUsersHere(t *testing.T) {
	i := newIssuer(t)
	v, at := verifierOf(t, i, func(c *Config) { c.UsernamePrefix, c.GroupsClaim = "", "" })
	found, err := v.Verify(t.Context(), i.token(t, at.now(), nil))
	require.NoError(t, err)
	require.Equal(t, "alice", found.Caller.GetName())
	require.False(t, found.Caller.GetExternal())
	require.Empty(t, found.Caller.GetRoles())
	_, err = v.Verify(t.Context(), i.token(t, at.now(), map[string]any{"sub": "root"}))
	require.ErrorContains(t, err, "root comes from no token")
	v, at = verifierOf(t, i, func(c *Config) { c.UsernamePrefix = "ro" })
	_, err = v.Verify(t.Context(), i.token(t, at.now(), map[string]any{"sub": "ot"}))
	require.ErrorContains(t, err, "root comes from no token")
}

// Goal: what is wrong with a token makes it none. Method: one fault a token, those of well known attacks among them.
func TestFaultyTokensShowNobody(t *testing.T) {
	i := newIssuer(t)
	v, at := verifierOf(t, i, nil)
	now := at.now()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, token := range map[string]string{
		"another audience":                     i.token(t, now, map[string]any{"aud": "somebody"}),
		"no audience":                          i.token(t, now, map[string]any{"aud": nil}),
		"ended":                                i.token(t, now, map[string]any{"exp": now.Add(-time.Second).Unix()}),
		"no end":                               i.token(t, now, map[string]any{"exp": nil}),
		"not yet":                              i.token(t, now, map[string]any{"nbf": now.Add(time.Hour).Unix()}),
		"no name":                              i.token(t, now, map[string]any{"sub": nil}),
		"a name that is no text":               i.token(t, now, map[string]any{"sub": []string{"alice"}}),
		"another key":                          sign(t, i, now, jose.RS256, "one", other, nil),
		"an algorithm that the key is not for": sign(t, i, now, jose.PS256, "one", i.key("one"), nil),
		"a secret that everybody knows (the key)": sign(t, i, now, jose.HS256, "one", []byte(fmt.Sprint(i.key("one").(*rsa.PrivateKey).N)), nil),
		"no signature": "eyJhbGciOiJub25lIn0." + split(i.token(t, now, nil))[1] + ".",
	} {
		found, err := v.Verify(t.Context(), token)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, auth.ErrNotMine, name)
		require.Nil(t, found, name)
	}
	for _, token := range []string{"", "simple.17", i.token(t, now, map[string]any{"iss": "https://other.example"}), "a.b.c"} {
		_, err := v.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrNotMine, token)
	}
	v, at = verifierOf(t, i, func(c *Config) { c.UsernameClaim = "email" })
	for _, verified := range []any{false, "false", "", 1} {
		_, err = v.Verify(t.Context(), i.token(t, at.now(), map[string]any{"email": "a@example.com", "email_verified": verified}))
		require.ErrorContains(t, err, "not verified", "%v", verified)
	}
	for _, verified := range []any{true, "true"} {
		_, err = v.Verify(t.Context(), i.token(t, at.now(), map[string]any{"email": "a@example.com", "email_verified": verified}))
		require.NoError(t, err, "%v", verified)
	}
}

func split(token string) (parts []string) {
	start := 0
	for at := range token {
		if token[at] == '.' {
			parts, start = append(parts, token[start:at]), at+1
		}
	}
	return append(parts, token[start:])
}

// Goal: an issuer that is away costs nothing but the tokens whose keys are not known: not the start, and not what is known; and whoever
// makes up keys cannot have it asked more than every 30 s.
// Method: leave, come back and change keys, and count the questions while the clock moves.
func TestIssuerThatIsAway(t *testing.T) {
	i := newIssuer(t)
	i.leave()
	v, at := verifierOf(t, i, nil)
	_, err := v.Verify(t.Context(), i.token(t, at.now(), nil))
	require.ErrorContains(t, err, errUnknownKey.Error())
	i.back()
	at.pass(emptyPause)
	_, err = v.Verify(t.Context(), i.token(t, at.now(), nil))
	require.NoError(t, err)
	require.Equal(t, 1, i.wasAsked())

	i.leave()
	at.pass(2 * ageMax)
	_, err = v.Verify(t.Context(), i.token(t, at.now(), map[string]any{"sub": "bob"}))
	require.NoError(t, err, "known keys stay in use")
	require.Equal(t, 2, i.wasAsked(), "it was asked whether they still count")
	i.back()
	i.addKey(t, "two")
	second := func() error {
		_, err := v.Verify(t.Context(), sign(t, i, at.now(), jose.RS256, "two", i.key("two"), nil))
		return err
	}
	for range 100 {
		require.Error(t, second())
	}
	require.Equal(t, 2, i.wasAsked(), "not again within 30 s")
	at.pass(askPause)
	var asking sync.WaitGroup
	for range 20 {
		asking.Go(func() {
			if err := second(); err != nil {
				t.Errorf("with the new key: %v", err)
			}
		})
	}
	asking.Wait()
	require.Equal(t, 3, i.wasAsked(), "once for all")
}

// Goal: an issuer that answers nothing holds a request up for as long as its client waits. Method: one that never answers.
func TestSilentIssuerHoldsNobody(t *testing.T) {
	arrived := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { close(arrived); <-r.Context().Done() }))
	defer silent.Close()
	i := newIssuer(t)
	v, at := verifierOf(t, i, nil)
	v.verifier = nil
	k := newKeys(silent.URL, at.now, slog.New(slog.DiscardHandler))
	asked := make(chan struct{})
	go func() { defer close(asked); k.refresh(context.Background(), true) }()
	<-arrived
	gone, leave := context.WithCancel(t.Context())
	leave()
	k.refresh(gone, true) // returns at once
	<-asked               // within askTimeout
}

// Goal: an issuer whose answers nobody else can change does not send us where somebody can. Method: redirects to each kind of place.
func TestRedirectsStayProtected(t *testing.T) {
	for url, refusal := range map[string]string{
		"https://keys.example/jwks?v=2": "",
		"http://127.0.0.1:8080/jwks":    "",
		"http://keys.example/jwks":      "a redirect to http://keys.example/jwks must begin with https",
	} {
		err := checkRedirect(httptest.NewRequest(http.MethodGet, url, nil), nil)
		if refusal == "" {
			require.NoError(t, err, url)
			continue
		}
		require.ErrorContains(t, err, refusal)
	}
	k := newKeys("https://issuer.example", time.Now, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, k.client.CheckRedirect(httptest.NewRequest(http.MethodGet, "https://a.example", nil), make([]*http.Request, redirectsMax)), "10 redirects")
}

// Goal: settings that cannot work are refused by flag and value, and a mistake in a map of roles by its line.
// Method: one mistake a case.
func TestSettingsThatCannotWork(t *testing.T) {
	good := Default()
	good.Issuer, good.Audience = "https://issuer.example", "quorate"
	require.NoError(t, good.Validate())
	require.NoError(t, Default().Validate())
	for want, change := range map[string]func(*Config){
		"--auth-oidc-issuer=http://issuer.example: must begin with https":   func(c *Config) { c.Issuer = "http://issuer.example" },
		"--auth-oidc-issuer=issuer: has not the form":                       func(c *Config) { c.Issuer = "issuer" },
		"--auth-oidc-audience=: is needed":                                  func(c *Config) { c.Audience = "" },
		"--auth-oidc-username-claim=: is needed":                            func(c *Config) { c.UsernameClaim = "" },
		"--auth-oidc-role-map=f: has no effect without --auth-oidc-groups":  func(c *Config) { c.RoleMapFile = "f" },
		"--auth-oidc-audience=quorate: has no effect without --auth-oidc-i": func(c *Config) { c.Issuer = "" },
		"--auth-oidc-groups-claim=g: has no effect without --auth-oidc-use": func(c *Config) { c.GroupsClaim, c.UsernamePrefix = "g", "" },
	} {
		c := good
		change(&c)
		require.ErrorContains(t, c.Validate(), want)
	}
	for text, want := range map[string]string{
		"":                       "line 1: it has no groups",
		"- dev\n":                "line 1: a mapping",
		"dev: reader\nops: root": "line 2: the role root comes from no token",
		"dev: [a,\n  {b: c}]":    "line 2: a role of the group",
		"dev: a\nops:\n":         "line 2: a role of the group",
		"dev: a\ndev: b\n":       "line 2: the group \"dev\" is there twice",
		"dev: [a\n":              "line 1",
	} {
		_, err := parseRoleMap([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}
