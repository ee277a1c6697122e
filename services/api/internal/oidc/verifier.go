package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	lru "github.com/hashicorp/golang-lru/v2"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
)

const (
	// Proof is how names are shown here.
	Proof = "oidc"
	// verifiedMax bounds the tokens that are remembered as verified.
	verifiedMax = 10_000
	// tokenBytesMax is more than any token has: headers are no longer.
	tokenBytesMax = 64 << 10
	// rolesMax bounds the roles that a token brings, which go along with each request.
	rolesMax = 128
	// nameBytesMax bounds a name.
	nameBytesMax = 1 << 10
)

// Verifier knows the tokens of the issuer. It implements auth.Verifier, and starts nothing.
type Verifier struct {
	config   Config
	roles    roleMap
	verifier *gooidc.IDTokenVerifier
	now      func() time.Time

	verified *lru.Cache[[sha256.Size]byte, *auth.Identity]
}

var _ auth.Verifier = (*Verifier)(nil)

// New returns a verifier. Errors name the flag. The issuer is asked when the first of its tokens comes.
func New(c Config, logger *slog.Logger) (*Verifier, error) { return newVerifier(c, logger, time.Now) }

func newVerifier(c Config, logger *slog.Logger, now func() time.Time) (*Verifier, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	roles, err := c.roleMap()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(algorithms))
	for i, algorithm := range algorithms {
		names[i] = string(algorithm)
	}
	verified, _ := lru.New[[sha256.Size]byte, *auth.Identity](verifiedMax) // it fails for no size above zero
	v := &Verifier{config: c, roles: roles, now: now, verified: verified}
	v.verifier = gooidc.NewVerifier(c.Issuer, newKeys(c.Issuer, now, logger), &gooidc.Config{ClientID: c.Audience, SupportedSigningAlgs: names, Now: now})
	return v, nil
}

// Verify implements auth.Verifier.
func (v *Verifier) Verify(ctx context.Context, token string) (*auth.Identity, error) {
	if len(token) > tokenBytesMax {
		return nil, auth.ErrNotMine
	}
	sum := sha256.Sum256([]byte(token))
	if identity, ok := v.verified.Get(sum); ok && v.now().Before(identity.Ends) {
		return identity, nil
	}
	if issuerOf(token) != v.config.Issuer {
		return nil, auth.ErrNotMine
	}
	verified, err := v.verifier.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	caller, err := v.caller(verified)
	if err != nil {
		return nil, err
	}
	identity := &auth.Identity{Caller: caller, Ends: verified.Expiry, Proof: Proof}
	v.verified.Add(sum, identity)
	return identity, nil
}

// issuerOf returns which issuer a token says to be of; empty for what is no signed token at all.
func issuerOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var said struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(text, &said) != nil {
		return ""
	}
	return said.Issuer
}

// caller returns for whom requests with a token are made.
func (v *Verifier) caller(token *gooidc.IDToken) (*consensusv1.Caller, error) {
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return nil, err
	}
	name, _ := claims[v.config.UsernameClaim].(string)
	switch verified, given := claims["email_verified"]; {
	case name == "" || len(name) > nameBytesMax:
		return nil, fmt.Errorf("the claim %q is no name", v.config.UsernameClaim)
	case v.config.UsernameClaim == "email" && given && verified != true && verified != "true": // some issuers say it in a text
		return nil, errors.New("the issuer has not verified the email address")
	}
	name = v.config.UsernamePrefix + name
	if name == root {
		return nil, errors.New("root comes from no token")
	}
	if v.config.UsernamePrefix == "" {
		return &consensusv1.Caller{Name: name}, nil
	}
	roles := v.roles.of(groupsOf(claims[v.config.GroupsClaim]))
	if len(roles) > rolesMax {
		return nil, fmt.Errorf("it brings %d roles; %d are allowed", len(roles), rolesMax)
	}
	return &consensusv1.Caller{Name: name, External: true, Roles: roles}, nil
}

// groupsOf reads a claim that is a text or a list of them.
func groupsOf(claim any) []string {
	switch said := claim.(type) {
	case string:
		return []string{said}
	case []any:
		groups := make([]string, 0, len(said))
		for _, one := range said {
			if group, ok := one.(string); ok {
				groups = append(groups, group)
			}
		}
		return groups
	}
	return nil
}
