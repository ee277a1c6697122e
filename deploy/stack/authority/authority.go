package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"time"
)

const (
	// authorityYears is how long an authority is valid: longer than a development stack lives.
	authorityYears = 10
	// Validity is how long a certificate is valid, as long as public authorities give theirs at most.
	Validity = 398 * 24 * time.Hour
	// RenewBefore is what a certificate must have left when Ensure looks at it; one with less is made anew.
	RenewBefore = Validity / 3
	// backdated is for hosts whose clocks are a little behind.
	backdated = 5 * time.Minute
	// serialNumberBits is what RFC 5280 leaves of its 20 bytes when the number must be positive, rounded down.
	serialNumberBits = 128
)

// The files of a directory, named as in a Kubernetes secret of type kubernetes.io/tls, so that one set of flags does for both.
const (
	// CAFile is the authority's certificate, CertFile and KeyFile the owner's own pair. All are PEM.
	CAFile, CertFile, KeyFile = "ca.crt", "tls.crt", "tls.key"
	// caKeyFile lies in the authority's own directory alone.
	caKeyFile = "ca.key"
)

// Authority vouches for certificates. It is made by Open.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
	now         func() time.Time
}

// Open reads the authority of a directory, which is created, with a new authority in it, if it is missing or empty. now is the clock.
//
// An authority that is damaged or over is an error: a new one would have to replace every certificate that the running services hold,
// which is for people to decide.
func Open(dir string, now func() time.Time) (*Authority, error) {
	a := &Authority{now: now}
	certFile, keyFile := filepath.Join(dir, CAFile), filepath.Join(dir, caKeyFile)
	found, err := exist(certFile, keyFile)
	if err == nil && found {
		err = a.read(certFile, keyFile)
	} else if err == nil {
		err = a.make(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("authority in %s: %w", dir, err)
	}
	if until := a.certificate.NotAfter; !until.After(now()) {
		return nil, fmt.Errorf("authority in %s: it was valid until %s; delete the directory and those of its certificates to start anew", dir, until.Format(time.RFC3339))
	}
	return a, nil
}

func (a *Authority) read(certFile, keyFile string) error {
	pair, err := readPair(certFile, keyFile)
	if err != nil {
		return fmt.Errorf("%w; put the files back, or delete the directory and those of its certificates to start anew", err)
	}
	if !pair.certificate.IsCA {
		return fmt.Errorf("%s is not an authority's certificate", certFile)
	}
	a.certificate, a.key, a.pem = pair.certificate, pair.key, pair.certificatePEM
	return nil
}

func (a *Authority) make(dir string) error {
	template, err := newTemplate("quorate development authority", a.now())
	if err != nil {
		return err
	}
	template.NotAfter = a.now().AddDate(authorityYears, 0, 0)
	template.IsCA, template.MaxPathLenZero = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	pair, err := sign(template, template, key, key)
	if err != nil {
		return err
	}
	a.certificate, a.key, a.pem = pair.certificate, key, pair.certificatePEM
	keyPEM, err := encodeKey(key)
	if err != nil {
		return err
	}
	// The key comes first: without a certificate beside it the next start makes both anew.
	return errors.Join(makeDir(dir), replace(filepath.Join(dir, caKeyFile), keyPEM, ownerOnly), replace(filepath.Join(dir, CAFile), a.pem, public))
}

// Ensure leaves in a directory a certificate of this authority for all of the names (host names or addresses; the first is its common name)
// with its key, and the authority's own certificate. What is there and good is kept; made tells whether it was not. A certificate is good for
// both ends of a connection, because every service calls others and is called.
func (a *Authority) Ensure(dir string, names []string) (made bool, err error) {
	if len(names) == 0 {
		return false, fmt.Errorf("certificate in %s: it has no name", dir)
	}
	reason := a.unfit(dir, names)
	if reason == nil {
		return false, nil
	}
	if err := a.issue(dir, names); err != nil {
		return false, fmt.Errorf("certificate in %s: %w", dir, err)
	}
	return true, nil
}

// unfit says why what is in the directory does not do.
func (a *Authority) unfit(dir string, names []string) error {
	pair, err := readPair(filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile))
	if err != nil {
		return err
	}
	if same, err := contains(filepath.Join(dir, CAFile), a.pem); err != nil || !same {
		return errors.Join(errors.New("the authority is not beside it"), err)
	}
	if err := pair.certificate.CheckSignatureFrom(a.certificate); err != nil {
		return err
	}
	if left := pair.certificate.NotAfter.Sub(a.now()); left < RenewBefore {
		return fmt.Errorf("it ends in %v", left)
	}
	for _, name := range names {
		if err := pair.certificate.VerifyHostname(name); err != nil {
			return err
		}
	}
	return nil
}

func (a *Authority) issue(dir string, names []string) error {
	template, err := newTemplate(names[0], a.now())
	if err != nil {
		return err
	}
	template.NotAfter = a.now().Add(Validity)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	addNames(template, names)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	pair, err := sign(template, a.certificate, key, a.key)
	if err != nil {
		return err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		makeDir(dir),
		replace(filepath.Join(dir, CAFile), a.pem, public),
		replace(filepath.Join(dir, KeyFile), keyPEM, ownerOnly),
		replace(filepath.Join(dir, CertFile), pair.certificatePEM, public),
	)
}

// newTemplate is what all certificates have in common.
func newTemplate(name string, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialNumberBits))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"quorate"}, CommonName: name},
		NotBefore:             now.Add(-backdated),
		BasicConstraintsValid: true,
	}, nil
}
