package tlsconfig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/quoratedb/quorate/pkg/boundedfile"
)

// serialNumberBits is what RFC 5280 leaves of its 20 bytes when the number must be positive, rounded down.
const serialNumberBits = 128

// SelfSigned returns the files of a certificate for hosts (names or addresses, a port behind them is dropped) that
// vouches for itself, valid for so many years. The pair is made in dir, which is created when missing, unless it is
// there already and has not expired: a restart must not change what clients have pinned.
func SelfSigned(dir string, hosts []string, years uint) (certFile, keyFile string, err error) {
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	_, certErr := os.Stat(certFile)
	_, keyErr := os.Stat(keyFile)
	if certErr == nil && keyErr == nil && !expired(certFile) {
		return certFile, keyFile, nil
	}
	if err := errors.Join(certErr, keyErr); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("self-signed certificate: %w", err)
	}
	cert, key, err := makePair(hosts, years)
	if err != nil {
		return "", "", fmt.Errorf("self-signed certificate: %w", err)
	}
	if err := writePair(certFile, cert, keyFile, key); err != nil {
		return "", "", fmt.Errorf("self-signed certificate: %w", err)
	}
	return certFile, keyFile, nil
}

// expired is false where that cannot be said: whoever loads the file finds out what is wrong with it.
func expired(certFile string) bool {
	content, err := boundedfile.Read(certFile)
	if err != nil {
		return false
	}
	found, err := certificates(content)
	return err == nil && time.Now().After(found[0].NotAfter)
}

// writePair leaves no certificate behind that is half written or has another key, whenever it is interrupted: without one, both are made
// anew.
func writePair(certFile string, cert []byte, keyFile string, key []byte) error {
	if err := os.MkdirAll(filepath.Dir(certFile), 0o700); err != nil {
		return err
	}
	if err := os.Remove(certFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(keyFile, key, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(certFile+".new", cert, 0o600); err != nil {
		return err
	}
	return os.Rename(certFile+".new", certFile)
}

func makePair(hosts []string, years uint) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialNumberBits))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"quorate"}},
		NotBefore:             time.Now().Add(-time.Minute), // for clients whose clock is a little behind
		NotAfter:              time.Now().AddDate(int(years), 0, 0),
		KeyUsage:              x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, host := range hosts {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}
