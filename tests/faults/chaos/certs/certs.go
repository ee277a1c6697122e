package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// validFor is how long before and after now certificates are valid: the clocks of members jump by up to a year.
const validFor = 5 * 365 * 24 * time.Hour

// Authority signs certificates, which are good for servers and for clients.
type Authority struct {
	dir     string
	key     *ecdsa.PrivateKey
	root    *x509.Certificate
	created int64
}

// Files are a certificate and its key.
type Files struct{ Cert, Key string }

// New makes an authority that keeps its files in a folder, which it creates.
func New(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	// Two authorities of one test have numbers of their own: a revocation list is taken by the number alone.
	a := &Authority{dir: dir, key: key, created: time.Now().UnixNano()}
	template := a.template("chaos")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	signed, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if a.root, err = x509.ParseCertificate(signed); err != nil {
		return nil, err
	}
	return a, write(a.CA(), "CERTIFICATE", signed)
}

// CA is the file of the authority's own certificate.
func (a *Authority) CA() string { return filepath.Join(a.dir, "ca.crt") }

// Revoke returns a revocation list, in DER, of the certificates in files, maybe none.
func (a *Authority) Revoke(revoked ...Files) ([]byte, error) {
	list := &x509.RevocationList{Number: big.NewInt(time.Now().UnixNano()), NextUpdate: time.Now().Add(validFor)}
	for _, files := range revoked {
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			return nil, err
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: pair.Leaf.SerialNumber, RevocationTime: time.Now(),
		})
	}
	return x509.CreateRevocationList(rand.Reader, list, a.root, a.key)
}

// Issue makes a certificate for a name that is valid at addresses.
func (a *Authority) Issue(name string, addresses ...string) (Files, error) {
	files := Files{filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key")}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return files, err
	}
	template := a.template(name)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, address := range addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, a.root, key.Public(), a.key)
	if err != nil {
		return files, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return files, err
	}
	if err := write(files.Cert, "CERTIFICATE", signed); err != nil {
		return files, err
	}
	return files, write(files.Key, "EC PRIVATE KEY", private)
}

// Client is how a client of the given name connects.
func (a *Authority) Client(name string) (*tls.Config, error) {
	files, err := a.Issue(name)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate of client %s: %w", name, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.root)
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}, nil
}

func (a *Authority) template(name string) *x509.Certificate {
	a.created++
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(a.created),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-validFor),
		NotAfter:     now.Add(validFor),
	}
}

func write(path, kind string, content []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600)
}
