package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/headers"
)

// ErrNotMine is returned by a Verifier for a token that another may know.
var ErrNotMine = errors.New("token of another issuer")

// Verifier knows the tokens of one issuer.
type Verifier interface {
	// Verify returns whose a token is. It returns ErrNotMine for one of another issuer. Any other error says that the token shows
	// nothing. It may be called concurrently, by many requests with the same token.
	Verify(ctx context.Context, token string) (*Identity, error)
}

// Config says what shows who somebody is. The zero value: tokens that the store has made.
type Config struct {
	// Verifiers are asked in turn whose a token is.
	Verifiers []Verifier
	// NoSimpleTokens says that a token that no verifier knows is none; otherwise the store is asked whose it is.
	NoSimpleTokens bool
	// CertificateName returns the user of a client's certificate, which was verified; false for none. nil: certificates say nothing.
	CertificateName func(*x509.Certificate) (name string, ok bool)
	Logger          *slog.Logger // default: logs nothing
}

// CommonName is etcd's way to name the user of a certificate.
func CommonName(certificate *x509.Certificate) (name string, ok bool) {
	name = certificate.Subject.CommonName
	return name, name != ""
}

// Authenticator tells whom requests are made for. Its methods may be called concurrently.
type Authenticator struct {
	config Config
}

// New returns an authenticator. It starts nothing.
func New(config Config) *Authenticator {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Authenticator{config: config}
}

// gatewayKey is metadata that a gateway adds to what it forwards, etcd's and other people's: the certificate of such a connection is the
// gateway's own, and shows nobody.
const gatewayKey = "grpcgateway-accept"

// Identify returns for whom a call is made, by its metadata and the TLS of its peer; nil for nobody. A token goes before a certificate.
// The call is refused by whoever asks what its caller may do, not here: while authentication is not enabled it does not matter.
func (a *Authenticator) Identify(ctx context.Context) *Identity {
	said := headers.Of(ctx)
	if token, ok := tokenOf(said); ok {
		return a.IdentifyToken(ctx, token)
	}
	if a.config.CertificateName == nil || len(said.Values(gatewayKey)) > 0 {
		return nil
	}
	client, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	if secured, ok := client.AuthInfo.(credentials.TLSInfo); ok {
		return a.IdentifyTLS(&secured.State)
	}
	return nil
}

// tokenOf finds a call's token where etcd does.
func tokenOf(said headers.Headers) (token string, ok bool) {
	values := said.Values(rpctypes.TokenFieldNameGRPC)
	if len(values) == 0 {
		values = said.Values(rpctypes.TokenFieldNameSwagger)
	}
	if len(values) == 0 {
		return "", false
	}
	if scheme, rest, ok := strings.Cut(values[0], " "); ok && strings.EqualFold(scheme, "bearer") {
		return rest, true
	}
	return values[0], true
}

// IdentifyToken returns whose a token is, or an identity that shows nobody.
func (a *Authenticator) IdentifyToken(ctx context.Context, token string) *Identity {
	for _, verifier := range a.config.Verifiers {
		identity, err := verifier.Verify(ctx, token)
		switch {
		case err == nil:
			return identity
		case !errors.Is(err, ErrNotMine):
			a.config.Logger.Debug("a token was refused", slog.Any("error", err))
			return invalid
		}
	}
	if a.config.NoSimpleTokens || token == "" {
		return invalid
	}
	with := new(bearer) // for every request with a token: both at once
	with.caller.Token = token
	with.identity = Identity{Caller: &with.caller, Proof: ProofToken}
	return &with.identity
}

// bearer is whoever brings a token that the store knows.
type bearer struct {
	identity Identity
	caller   consensusv1.Caller
}

// invalid is whom a token shows that shows nobody.
var invalid = &Identity{Caller: &consensusv1.Caller{Invalid: true}, Proof: ProofInvalid}

// IdentifyTLS returns whose the verified certificate of a connection is; nil where it has none, or certificates say nothing.
func (a *Authenticator) IdentifyTLS(state *tls.ConnectionState) *Identity {
	if state == nil || a.config.CertificateName == nil {
		return nil
	}
	for _, chain := range state.VerifiedChains {
		if len(chain) == 0 {
			continue
		}
		if name, ok := a.config.CertificateName(chain[0]); ok {
			return &Identity{Caller: &consensusv1.Caller{Name: name}, Proof: ProofCertificate}
		}
		return nil
	}
	return nil
}
