package auth_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
	"github.com/quoratedb/quorate/services/api/internal/auth"
)

// request is the context of a call with metadata, from a client that has shown a certificate of the common name, if there is one.
func request(commonName string, pairs ...string) context.Context {
	ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs(pairs...))
	client := &peer.Peer{}
	if commonName != "" {
		certificate := &x509.Certificate{Subject: pkix.Name{CommonName: commonName}}
		client.AuthInfo = credentials.TLSInfo{State: tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{certificate}}}}
	}
	return peer.NewContext(ctx, client)
}

// Goal: credentials are found where etcd finds them, a token goes before a certificate, and the certificate of a gateway's connection shows
// nobody. Method: a table of requests.
func TestIdentify(t *testing.T) {
	certificates := auth.New(auth.Config{CertificateName: auth.CommonName})
	plain := auth.New(auth.Config{})
	for name, c := range map[string]struct {
		by   *auth.Authenticator
		ctx  context.Context
		want *consensusv1.Caller
	}{
		"nothing":                     {certificates, request(""), nil},
		"no metadata":                 {certificates, context.Background(), nil},
		"token":                       {plain, request("", "token", "t.1"), &consensusv1.Caller{Token: "t.1"}},
		"authorization":               {plain, request("", "authorization", "t.1"), &consensusv1.Caller{Token: "t.1"}},
		"bearer":                      {plain, request("", "authorization", "Bearer t.1"), &consensusv1.Caller{Token: "t.1"}},
		"bearer, in small letters":    {plain, request("", "authorization", "bearer t.1"), &consensusv1.Caller{Token: "t.1"}},
		"token before authorization":  {plain, request("", "authorization", "a", "token", "t"), &consensusv1.Caller{Token: "t"}},
		"first of several":            {plain, request("", "token", "a", "token", "b"), &consensusv1.Caller{Token: "a"}},
		"empty token":                 {plain, request("", "token", ""), &consensusv1.Caller{Invalid: true}},
		"certificate":                 {certificates, request("alice"), &consensusv1.Caller{Name: "alice"}},
		"certificate that says none":  {plain, request("alice"), nil},
		"token before certificate":    {certificates, request("alice", "token", "t"), &consensusv1.Caller{Token: "t"}},
		"empty token and certificate": {certificates, request("alice", "token", ""), &consensusv1.Caller{Invalid: true}},
		"certificate of a gateway":    {certificates, request("alice", "grpcgateway-accept", "*/*"), nil},
	} {
		got := c.by.Identify(c.ctx)
		if c.want == nil {
			require.Nil(t, got, name)
			require.Nil(t, auth.Caller(auth.With(c.ctx, got)), name)
			continue
		}
		require.Equal(t, c.want, auth.Caller(auth.With(c.ctx, got)), name)
	}
}

// verifier is one of a test.
type verifier func(token string) (*auth.Identity, error)

func (v verifier) Verify(_ context.Context, token string) (*auth.Identity, error) { return v(token) }

// Goal: each token is judged by the issuer that it is of, and what an issuer refuses is offered to nobody else. Method: two verifiers, one
// of which knows only its own.
func TestVerifiersInTurn(t *testing.T) {
	alice := &auth.Identity{Caller: &consensusv1.Caller{Name: "alice"}}
	first := verifier(func(token string) (*auth.Identity, error) {
		if token == "forged" {
			return nil, errors.New("bad signature")
		}
		return nil, auth.ErrNotMine
	})
	second := verifier(func(token string) (*auth.Identity, error) {
		if token == "alice" || token == "forged" {
			return alice, nil
		}
		return nil, auth.ErrNotMine
	})
	invalid := &consensusv1.Caller{Invalid: true}
	for _, noSimple := range []bool{false, true} {
		a := auth.New(auth.Config{Verifiers: []auth.Verifier{first, second}, NoSimpleTokens: noSimple})
		require.Same(t, alice, a.IdentifyToken(t.Context(), "alice"))
		require.Equal(t, invalid, a.IdentifyToken(t.Context(), "forged").Caller)
		other := a.IdentifyToken(t.Context(), "other").Caller
		if noSimple {
			require.Equal(t, invalid, other)
		} else {
			require.Equal(t, &consensusv1.Caller{Token: "other"}, other)
		}
	}
}
