package api

import (
	"crypto/x509"

	"github.com/quoratedb/quorate/services/api/internal/auth"
	"github.com/quoratedb/quorate/services/api/internal/oidc"
	"github.com/quoratedb/quorate/services/api/internal/spiffe"
)

// Outside says who else than the store is believed about who somebody is. The zero value: nobody.
type Outside struct {
	// OIDC is an issuer of tokens. Its fields are those of the flags that begin with auth-oidc-.
	OIDC OIDC
	// SPIFFEUsersFile has the users of SPIFFE ids in clients' certificates, where ClientCertAuth is set; empty for none.
	SPIFFEUsersFile string
}

// OIDC is an OpenID Connect issuer, and what is taken from its tokens.
type OIDC = oidc.Config

// DefaultOIDC is how tokens are taken unless it is said otherwise, of no issuer.
func DefaultOIDC() OIDC { return oidc.Default() }

// Check tells what is wrong with the files that the settings name.
func (o Outside) Check() error {
	if err := o.OIDC.Check(); err != nil || o.SPIFFEUsersFile == "" {
		return err
	}
	_, err := spiffe.Load(o.SPIFFEUsersFile)
	return err
}

// addOutside adds those who are believed besides.
func (c Config) addOutside(made *auth.Config) error {
	if c.Outside.OIDC.On() {
		issuer, err := oidc.New(c.Outside.OIDC, c.Logger)
		if err != nil {
			return err
		}
		// First: it leaves tokens of others alone, and what another refuses is offered to nobody.
		made.Verifiers = append([]auth.Verifier{issuer}, made.Verifiers...)
	}
	if !c.ClientCertAuth || c.Outside.SPIFFEUsersFile == "" {
		return nil
	}
	users, err := spiffe.Load(c.Outside.SPIFFEUsersFile)
	if err != nil {
		return err
	}
	made.CertificateName = func(certificate *x509.Certificate) (name string, ok bool) {
		if name, known := users.Of(certificate); known {
			return name, name != ""
		}
		return auth.CommonName(certificate)
	}
	return nil
}
