package tlsconfig_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/tlsconfig"
)

// authority signs certificates and revokes them again.
type authority struct {
	t    *testing.T
	dir  string
	name string
	// parent signed it, nil for itself.
	parent      *authority
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	issued      int64
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), name: name, key: newKey(t)}
	a.certificate = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, SubjectKeyId: []byte(name), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, a.key)
	return a
}

// below makes an authority that a vouches for.
func (a *authority) below(name string) *authority {
	a.t.Helper()
	made := &authority{t: a.t, dir: a.t.TempDir(), name: name, parent: a, key: newKey(a.t)}
	made.certificate = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, SubjectKeyId: []byte(name), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, made.key)
	return made
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// sign completes a certificate that says how long it is valid only if that matters.
func (a *authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.t.Helper()
	a.issued++
	template.SerialNumber = big.NewInt(a.issued)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	parent := a.certificate
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	require.NoError(a.t, err)
	made, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return made
}

// issued is a certificate in files.
type issued struct {
	*x509.Certificate
	certFile, keyFile string
}

// issue makes a certificate for localhost and for the name, which is its common name too.
func (a *authority) issue(name string, changes ...func(*x509.Certificate)) issued {
	a.t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost", name + ".test"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, change := range changes {
		change(template)
	}
	key := newKey(a.t)
	made := issued{a.sign(template, key), filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key")}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	chain := encode("CERTIFICATE", made.Raw)
	if a.parent != nil {
		chain = append(chain, encode("CERTIFICATE", a.certificate.Raw)...)
	}
	write(a.t, made.certFile, chain)
	write(a.t, made.keyFile, encode("PRIVATE KEY", keyDER))
	return made
}

// caFile is the file of the authority's own certificate.
func (a *authority) caFile() string {
	a.t.Helper()
	file := filepath.Join(a.dir, "ca.crt")
	write(a.t, file, encode("CERTIFICATE", a.certificate.Raw))
	return file
}

// revoke returns a revocation list, in DER.
func (a *authority) revoke(certificates ...*x509.Certificate) []byte {
	a.t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), NextUpdate: time.Now().Add(time.Hour)}
	for _, each := range certificates {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: each.SerialNumber, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.certificate, a.key)
	require.NoError(a.t, err)
	return der
}

// server has a certificate and asks for one.
func (a *authority) server(name string) tlsconfig.Server {
	a.t.Helper()
	files := a.issue(name)
	return tlsconfig.Server{CertFile: files.certFile, KeyFile: files.keyFile, ClientCertAuth: true, TrustedCAFile: a.caFile()}
}

// client shows a certificate and trusts the authority. Of a chain it shows the first alone if told so.
func (a *authority) client(shown issued, alone ...bool) *tls.Config {
	a.t.Helper()
	pair, err := tls.LoadX509KeyPair(shown.certFile, shown.keyFile)
	require.NoError(a.t, err)
	if len(alone) > 0 {
		pair.Certificate = pair.Certificate[:1]
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	// Whatever authorities the server names: crypto/tls would show nothing that none of them vouches for.
	show := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return &tls.Config{RootCAs: roots, ServerName: "localhost", GetClientCertificate: show}
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, content, 0o600))
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	return content
}

// log takes what is said, one line each.
type log struct {
	mu struct {
		sync.Mutex
		bytes.Buffer
	}
}

// Write implements io.Writer.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.Write(p)
}

func (l *log) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// lines are those with all of these texts in them.
func (l *log) lines(texts ...string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
next:
	for line := range strings.Lines(l.mu.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}
