package tlsconfig

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// pemBegin begins a block of PEM.
const pemBegin = "-----BEGIN "

// decode returns the blocks of a file, all of them: encoding/pem passes over what it cannot read, and a file that is half
// written would count with what it has so far.
func decode(content []byte) (blocks []*pem.Block, err error) {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		blocks = append(blocks, block)
	}
	if bytes.Count(content, []byte(pemBegin)) != len(blocks) {
		return nil, errors.New("a block of PEM in it is broken or has no end")
	}
	return blocks, nil
}

// certificates are those of a file, in their order: one at least.
func certificates(content []byte) (found []*x509.Certificate, err error) {
	blocks, err := decode(content)
	if err != nil {
		return nil, err
	}
	for _, block := range blocks {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in it: %w", len(found)+1, err)
		}
		found = append(found, certificate)
	}
	if len(found) == 0 {
		return nil, errors.New("holds no PEM certificate")
	}
	return found, nil
}

// keepPair keeps a certificate and its key.
func keepPair(log *slog.Logger, cert, key given) (*kept[*tls.Certificate], error) {
	parse := func(contents [][]byte) (*tls.Certificate, error) {
		if _, err := certificates(contents[0]); err != nil {
			return nil, cert.wrong(err)
		}
		made, err := tls.X509KeyPair(contents[0], contents[1])
		if err != nil {
			return nil, key.wrong(fmt.Errorf("is not the key of %s: %w", cert, explained(err, contents[1])))
		}
		return &made, nil
	}
	complain := func(pair *tls.Certificate, now time.Time) error {
		if err := outOfTime(pair.Leaf, now); err != nil {
			return cert.wrong(fmt.Errorf("%w: put another in its place, it counts without a restart", err))
		}
		return nil
	}
	return keep(log, parse, complain, cert, key)
}

// explained says more of a key that cannot be used, where crypto/tls does not.
func explained(err error, key []byte) error {
	if block, _ := pem.Decode(key); block != nil && (strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "") {
		return errors.New("it is encrypted, and there is nobody to ask for the password: store it without one")
	}
	return err
}

func outOfTime(certificate *x509.Certificate, now time.Time) error {
	switch {
	case now.After(certificate.NotAfter):
		return fmt.Errorf("the certificate of %q has expired at %s", certificate.Subject, certificate.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(certificate.NotBefore):
		return fmt.Errorf("the certificate of %q is not valid before %s", certificate.Subject, certificate.NotBefore.UTC().Format(time.RFC3339))
	default:
		return nil
	}
}

// authorities are a bundle: certificates can be replaced one after the other while it holds their old authority and the new.
type authorities struct {
	pool         *x509.CertPool
	certificates []*x509.Certificate
}

func keepAuthorities(log *slog.Logger, file given) (*kept[*authorities], error) {
	parse := func(contents [][]byte) (*authorities, error) {
		found, err := certificates(contents[0])
		if err != nil {
			return nil, file.wrong(err)
		}
		made := &authorities{x509.NewCertPool(), found}
		for _, certificate := range found {
			made.pool.AddCert(certificate)
		}
		return made, nil
	}
	complain := func(a *authorities, now time.Time) error {
		for _, certificate := range a.certificates {
			if err := outOfTime(certificate, now); err != nil {
				return file.wrong(fmt.Errorf("%w: whom it vouches for is refused", err))
			}
		}
		return nil
	}
	return keep(log, parse, complain, file)
}
