package auth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// The kinds of tokens that clients get for a name and a password. TokensNone is what an empty option means to etcd: nobody logs in.
const (
	TokensSimple = "simple"
	TokensJWT    = "jwt"
	TokensNone   = "none"
)

// The options of JWT.
const (
	optionPublicKey  = "pub-key"
	optionPrivateKey = "priv-key"
	optionMethod     = "sign-method"
	optionTTL        = "ttl"
)

// jwtTTL is how long a token lives, as in etcd, unless an option says otherwise.
const jwtTTL = 5 * time.Minute

// TokenOptions is what --auth-token says.
type TokenOptions struct {
	kind                  string
	publicKey, privateKey string // files
	method                jwt.SigningMethod
	ttl                   time.Duration
}

// ParseTokenOptions reads "simple", "none" or "jwt,pub-key=FILE,priv-key=FILE,sign-method=METHOD,ttl=DURATION". It opens no file, and its
// error names the option.
func ParseTokenOptions(text string) (TokenOptions, error) {
	kind, rest, _ := strings.Cut(text, ",")
	options, err := splitOptions(rest)
	if err != nil {
		return TokenOptions{}, err
	}
	switch kind {
	case TokensSimple, TokensNone:
		for name := range options {
			return TokenOptions{}, fmt.Errorf("option %s is not one of %s tokens, which have none", name, kind)
		}
		return TokenOptions{kind: kind}, nil
	case TokensJWT:
		return parseJWTOptions(options)
	}
	return TokenOptions{}, fmt.Errorf("tokens of the kind %q do not exist: use %s, %s,... or %s", kind, TokensSimple, TokensJWT, TokensNone)
}

func splitOptions(text string) (map[string]string, error) {
	options := make(map[string]string)
	for option := range strings.SplitSeq(text, ",") {
		if option == "" {
			continue
		}
		name, value, ok := strings.Cut(option, "=")
		if !ok || strings.Contains(value, "=") {
			return nil, fmt.Errorf("option %q is not name=value", option)
		}
		if _, twice := options[name]; twice {
			return nil, fmt.Errorf("option %s is given twice", name)
		}
		options[name] = value
	}
	return options, nil
}

func parseJWTOptions(options map[string]string) (TokenOptions, error) {
	o := TokenOptions{kind: TokensJWT, publicKey: options[optionPublicKey], privateKey: options[optionPrivateKey], ttl: jwtTTL}
	known := []string{optionPublicKey, optionPrivateKey, optionMethod, optionTTL}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if !slices.Contains(known, name) {
			return o, fmt.Errorf("option %s is none of jwt's: they are %s", name, strings.Join(known, ", "))
		}
	}
	switch o.method = jwt.GetSigningMethod(options[optionMethod]); o.method.(type) {
	case *jwt.SigningMethodRSA, *jwt.SigningMethodRSAPSS, *jwt.SigningMethodECDSA, *jwt.SigningMethodEd25519, *jwt.SigningMethodHMAC:
	default:
		return o, fmt.Errorf("%s=%s: use RS256, PS256, ES256, HS256, the same with 384 or 512, or EdDSA", optionMethod, options[optionMethod])
	}
	if text := options[optionTTL]; text != "" {
		var err error
		if o.ttl, err = time.ParseDuration(text); err != nil || o.ttl <= 0 {
			return o, fmt.Errorf("%s=%s is not a time above zero, such as 5m", optionTTL, text)
		}
	}
	if _, secret := o.method.(*jwt.SigningMethodHMAC); secret && o.privateKey == "" {
		return o, fmt.Errorf("%s is needed with %s=%s: it is the file of the secret", optionPrivateKey, optionMethod, o.method.Alg())
	}
	if o.privateKey == "" && o.publicKey == "" {
		return o, fmt.Errorf("%s or %s is needed", optionPrivateKey, optionPublicKey)
	}
	return o, nil
}

// Tokens is how those who log in show later who they are.
type Tokens struct {
	// Verifiers knows the tokens that were signed; none where the store does.
	Verifiers []Verifier
	// Signer makes tokens; nil where the store does.
	Signer interface {
		Sign(name string, authRevision uint64) (token string, err error)
	}
	// NoSimpleTokens says that the store's tokens are none.
	NoSimpleTokens bool
}

// Load reads the keys. Its error names the option and the file.
func (o TokenOptions) Load() (Tokens, error) {
	switch o.kind {
	case TokensSimple:
		return Tokens{}, nil
	case TokensNone:
		return Tokens{Signer: refusing{}, NoSimpleTokens: true}, nil
	case TokensJWT:
		made, err := newJWT(o)
		if err != nil {
			return Tokens{}, err
		}
		return Tokens{Verifiers: []Verifier{made}, Signer: made, NoSimpleTokens: true}, nil
	}
	return Tokens{}, errors.New("no kind of tokens was chosen")
}

// refusing makes no tokens.
type refusing struct{}

func (refusing) Sign(string, uint64) (string, error) { return "", rpctypes.ErrGRPCAuthFailed }
