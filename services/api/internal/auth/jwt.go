package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// The claims of a token, which are etcd's: each server reads the other's tokens.
const (
	claimName     = "username"
	claimRevision = "revision"
	claimEnd      = "exp"
	claimIssuer   = "iss"
)

const (
	// verifiedMax is how many tokens are remembered as verified, some hundred bytes each.
	verifiedMax = 8192
	// nameMax bounds a name in them.
	nameMax = 1024
	// revisionMax is what JSON's numbers hold exactly.
	revisionMax = 1 << 53
)

// errVerifyOnly is what etcd says where there is a public key alone.
var errVerifyOnly = status.Error(codes.Unknown, "auth: token signing attempted with verify-only key")

// JWT signs and verifies tokens with keys of files. A token carries the auth revision at which its user's password was right. Its methods
// may be called concurrently.
type JWT struct {
	method   jwt.SigningMethod
	keys     keyPair
	ttl      time.Duration
	parser   *jwt.Parser
	verified *lru.Cache[[sha256.Size]byte, *Identity]
}

var _ Verifier = &JWT{}

func newJWT(o TokenOptions) (*JWT, error) {
	keys, err := loadKeys(o)
	if err != nil {
		return nil, err
	}
	// The one method that was configured: what a token says of its method counts for nothing.
	verified, _ := lru.New[[sha256.Size]byte, *Identity](verifiedMax) // it fails for no size above zero
	return &JWT{method: o.method, keys: keys, ttl: o.ttl, parser: jwt.NewParser(jwt.WithValidMethods([]string{o.method.Alg()})), verified: verified}, nil
}

// Sign makes a token. Its error is ready for the client.
func (j *JWT) Sign(name string, authRevision uint64) (string, error) {
	if j.keys.sign == nil {
		return "", errVerifyOnly
	}
	token, err := jwt.NewWithClaims(j.method, jwt.MapClaims{
		claimName: name, claimRevision: authRevision, claimEnd: time.Now().Add(j.ttl).Unix(),
	}).SignedString(j.keys.sign)
	if err != nil {
		return "", status.Error(codes.Unknown, err.Error())
	}
	return token, nil
}

// Verify implements Verifier. A token that this key has not signed and that names an issuer may be one of that issuer's.
func (j *JWT) Verify(_ context.Context, token string) (*Identity, error) {
	digest := sha256.Sum256([]byte(token))
	if known, ok := j.verified.Get(digest); ok {
		if known.ended() {
			return nil, jwt.ErrTokenExpired
		}
		return known, nil
	}
	claims := jwt.MapClaims{}
	if _, err := j.parser.ParseWithClaims(token, claims, j.key); err != nil {
		if _, foreign := claims[claimIssuer]; foreign {
			return nil, fmt.Errorf("%w: %w", ErrNotMine, err)
		}
		return nil, err
	}
	identity, err := identityOf(claims)
	if err != nil {
		return nil, err
	}
	j.verified.Add(digest, identity)
	return identity, nil
}

// key is what a token is verified with. One that says that it is not to be believed without an extension (RFC 7515, 4.1.11) is
// refused, as there is none that is known here.
func (j *JWT) key(token *jwt.Token) (any, error) {
	if extensions, ok := token.Header["crit"]; ok {
		return nil, fmt.Errorf("a token with unknown extensions: %v", extensions)
	}
	return j.keys.verify, nil
}

func identityOf(claims jwt.MapClaims) (*Identity, error) {
	user, ok := claims[claimName].(string)
	if !ok || user == "" || len(user) > nameMax {
		return nil, errors.New("a token without " + claimName)
	}
	revision, ok := claims[claimRevision].(float64)
	if !ok || revision < 1 || revision > revisionMax {
		return nil, errors.New("a token without " + claimRevision)
	}
	identity := &Identity{Caller: &consensusv1.Caller{Name: user, Revision: uint64(revision)}}
	ends, err := claims.GetExpirationTime()
	if err != nil {
		return nil, err
	}
	if ends != nil {
		identity.Ends = ends.Time
	}
	return identity, nil
}
