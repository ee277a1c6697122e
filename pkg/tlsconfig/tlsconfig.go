// Package tlsconfig turns file names and names of versions and cipher suites, as an operator gives them, into the
// tls.Config of a server, and makes self-signed certificates. It opens no connection.
package tlsconfig

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Server says who a server is and which clients it lets in. The zero value is a server without TLS.
type Server struct {
	CertFile, KeyFile string // PEM
	// ClientCertFile and ClientKeyFile, where not empty, are shown to other servers instead of CertFile and KeyFile.
	ClientCertFile, ClientKeyFile string // PEM
	// ClientCertAuth asks every client for a certificate that an authority of TrustedCAFile vouches for, or one of the
	// system's authorities where no file is given. TrustedCAFile implies ClientCertAuth, as it does in etcd.
	ClientCertAuth bool
	TrustedCAFile  string // PEM
	// CRLFile, a DER revocation list, turns clients away whose certificate it holds. It is read at every handshake.
	CRLFile string
	// AllowedNames and AllowedHostnames, where not empty, let in only clients whose certificate has one of these
	// common names, and is valid for one of these host names.
	AllowedNames, AllowedHostnames []string
}

// Empty tells whether nothing is set.
func (s Server) Empty() bool {
	return s.CertFile == "" && s.KeyFile == "" && s.ClientCertFile == "" && s.ClientKeyFile == "" && !s.ClientCertAuth && s.TrustedCAFile == "" && s.CRLFile == "" &&
		len(s.AllowedNames) == 0 && len(s.AllowedHostnames) == 0
}

// Policy bounds what a handshake may agree on. The zero value leaves that to crypto/tls.
type Policy struct {
	MinVersion, MaxVersion string   // "TLS1.2", "TLS1.3" or empty
	CipherSuites           []string // as crypto/tls and IANA name them
}

func (s Server) asksClients() bool { return s.ClientCertAuth || s.TrustedCAFile != "" }

// Validate reports what does not fit together, without reading a file.
func (s Server) Validate() error {
	var problems []error
	if s.CertFile == "" || s.KeyFile == "" {
		problems = append(problems, errors.New("certificate and key are needed, both"))
	}
	if (s.ClientCertFile == "") != (s.ClientKeyFile == "") {
		problems = append(problems, errors.New("certificate and key for other servers are needed, both or neither"))
	}
	if !s.asksClients() && (s.CRLFile != "" || len(s.AllowedNames) > 0 || len(s.AllowedHostnames) > 0) {
		problems = append(problems, errors.New("a revocation list or allowed names have no effect while clients need no certificate"))
	}
	return errors.Join(problems...)
}

// Config reads the files and returns the server's configuration. Certificate, key and authorities are read again at every
// handshake, so that renewed ones need no restart; what is wrong with them now is an error now. Use Speaking to change the
// protocols that are agreed on.
func (s Server) Config(policy Policy) (*tls.Config, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if _, err := s.certificate(nil); err != nil {
		return nil, err
	}
	config := &tls.Config{GetCertificate: s.certificate, NextProtos: []string{"h2", "http/1.1"}}
	var err error
	if config.MinVersion, config.MaxVersion, config.CipherSuites, err = policy.resolve(); err != nil {
		return nil, err
	}
	if s.asksClients() {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if s.CRLFile != "" {
		if _, err := readRevoked(s.CRLFile); err != nil {
			return nil, err
		}
	}
	// VerifyConnection, not VerifyPeerCertificate, which is skipped when a session is resumed.
	config.VerifyConnection = s.verify
	if s.TrustedCAFile != "" {
		if err := (&authorities{file: s.TrustedCAFile}).serving(config); err != nil {
			return nil, err
		}
	}
	return config, nil
}

func (s Server) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	certificate, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", s.CertFile, s.KeyFile, err)
	}
	return &certificate, nil
}

// verify decides about a client that the authorities vouch for, or that needs no certificate and sent none.
func (s Server) verify(connection tls.ConnectionState) error {
	if len(connection.PeerCertificates) == 0 {
		return nil
	}
	leaf := connection.PeerCertificates[0]
	if len(s.AllowedNames) > 0 && !slices.Contains(s.AllowedNames, leaf.Subject.CommonName) {
		return fmt.Errorf("common name %q of the client's certificate is not allowed", leaf.Subject.CommonName)
	}
	if len(s.AllowedHostnames) > 0 && !slices.ContainsFunc(s.AllowedHostnames, func(host string) bool { return leaf.VerifyHostname(host) == nil }) {
		return errors.New("the client's certificate is valid for none of the allowed host names")
	}
	if s.CRLFile == "" {
		return nil
	}
	revoked, err := readRevoked(s.CRLFile)
	if err != nil {
		return err
	}
	for _, certificate := range connection.PeerCertificates {
		if revoked[certificate.SerialNumber.String()] {
			return fmt.Errorf("client certificate with serial number %x is revoked", certificate.SerialNumber)
		}
	}
	return nil
}

func readRevoked(file string) (map[string]bool, error) {
	der, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("revocation list: %w", err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("revocation list %s: %w", file, err)
	}
	revoked := make(map[string]bool, len(list.RevokedCertificateEntries))
	for _, entry := range list.RevokedCertificateEntries {
		revoked[entry.SerialNumber.String()] = true
	}
	return revoked, nil
}

// Validate reports what is wrong with the names, without reading a file.
func (p Policy) Validate() error {
	_, _, _, err := p.resolve()
	return err
}

func (p Policy) resolve() (low, high uint16, suites []uint16, err error) {
	low, lowErr := version(p.MinVersion)
	high, highErr := version(p.MaxVersion)
	problems := []error{lowErr, highErr}
	if low != 0 && high != 0 && low > high {
		problems = append(problems, fmt.Errorf("lowest TLS version %s is above the highest, %s", p.MinVersion, p.MaxVersion))
	}
	if low == tls.VersionTLS13 && len(p.CipherSuites) > 0 {
		problems = append(problems, errors.New("the cipher suites of TLS1.3 cannot be chosen: leave them out, or allow TLS1.2"))
	}
	for _, name := range p.CipherSuites {
		id, err := suite(name)
		problems = append(problems, err)
		suites = append(suites, id)
	}
	return low, high, suites, errors.Join(problems...)
}

func version(name string) (uint16, error) {
	switch name {
	case "":
		return 0, nil
	case "TLS1.2":
		return tls.VersionTLS12, nil
	case "TLS1.3":
		return tls.VersionTLS13, nil
	default:
		return 0, fmt.Errorf("unknown TLS version %q: it is TLS1.2 or TLS1.3", name)
	}
}

func suite(name string) (uint16, error) {
	for _, known := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		// Some have a name that ends in what IANA left out at first.
		if known.Name == name || strings.TrimSuffix(known.Name, "_SHA256") == name {
			return known.ID, nil
		}
	}
	return 0, fmt.Errorf("unknown TLS cipher suite %q", name)
}
