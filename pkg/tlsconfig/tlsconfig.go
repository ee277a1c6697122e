// Package tlsconfig turns file names and names of versions and cipher suites, as an operator gives them, into the
// tls.Config of a server and of its calls to others, follows the files when they change, and makes self-signed
// certificates. It opens no connection.
package tlsconfig

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Server says who a server is and which clients it lets in. The zero value is a server without TLS.
type Server struct {
	CertFile, KeyFile string // PEM
	// ClientCertFile and ClientKeyFile, where not empty, are shown to other servers instead of CertFile and KeyFile.
	ClientCertFile, ClientKeyFile string // PEM
	// ClientCertAuth asks every client for a certificate that an authority of TrustedCAFile vouches for. TrustedCAFile
	// implies ClientCertAuth, as it does in etcd.
	ClientCertAuth bool
	TrustedCAFile  string // PEM
	// CRLFile, a revocation list in DER or several in PEM, turns away whose certificate it holds.
	CRLFile string
	// AllowedNames and AllowedHostnames, of which one may be given, let in only whose certificate has one of these common
	// names, or is valid for one of these host names.
	AllowedNames, AllowedHostnames []string

	// Flags are what an operator knows the fields by.
	Flags Flags
	// Log is told what becomes of the files while the server runs; nil for nobody.
	Log *slog.Logger
}

// Flags are the names, without dashes, of the flags that set the fields of a Server. Errors and the log call them so; one
// that is empty is not mentioned.
type Flags struct {
	Cert, Key, ClientCert, ClientKey, ClientCertAuth, TrustedCA, CRL, AllowedNames, AllowedHostnames string
}

// FlagsOf are flags named as etcd does it: own begins those of a server's own certificate and authorities ("" or "peer-"),
// others those about whoever comes to it ("client-" or "peer-").
func FlagsOf(own, others string) Flags {
	return Flags{
		Cert: own + "cert-file", Key: own + "key-file", ClientCert: own + "client-cert-file", ClientKey: own + "client-key-file",
		ClientCertAuth: own + "client-cert-auth", TrustedCA: own + "trusted-ca-file", CRL: others + "crl-file",
		AllowedNames: others + "cert-allowed-cn", AllowedHostnames: others + "cert-allowed-hostname",
	}
}

// Empty tells whether nothing is set.
func (s Server) Empty() bool {
	return s.CertFile == "" && s.KeyFile == "" && s.ClientCertFile == "" && s.ClientKeyFile == "" && !s.ClientCertAuth && s.TrustedCAFile == "" && s.CRLFile == "" &&
		len(s.AllowedNames) == 0 && len(s.AllowedHostnames) == 0
}

func (s Server) asksClients() bool { return s.ClientCertAuth || s.TrustedCAFile != "" }

// Validate reports everything that does not fit together, without reading a file.
func (s Server) Validate() error {
	var problems []error
	wrong := func(is bool, what given, text string) {
		if is {
			problems = append(problems, what.wrong(errors.New(text)))
		}
	}
	f := s.Flags
	names, hosts := strings.Join(s.AllowedNames, ","), strings.Join(s.AllowedHostnames, ",")
	unused := fmt.Sprintf("has no effect while nobody is asked for a certificate: give --%s too", cmp.Or(f.TrustedCA, "trusted-ca-file"))
	wrong(s.CertFile == "" || s.KeyFile == "", given{f.Cert, s.CertFile}, fmt.Sprintf("certificate and key are needed, both, and --%s is %q", cmp.Or(f.Key, "key-file"), s.KeyFile))
	wrong((s.ClientCertFile == "") != (s.ClientKeyFile == ""), given{f.ClientCert, s.ClientCertFile}, fmt.Sprintf("certificate and key are needed both or neither, and --%s is %q", cmp.Or(f.ClientKey, "client-key-file"), s.ClientKeyFile))
	wrong(s.ClientCertAuth && s.TrustedCAFile == "", given{f.ClientCertAuth, "true"}, fmt.Sprintf("who vouches for clients is not said, and the system's authorities vouch for anybody: give --%s too", cmp.Or(f.TrustedCA, "trusted-ca-file")))
	wrong(!s.asksClients() && s.CRLFile != "", given{f.CRL, s.CRLFile}, unused)
	wrong(!s.asksClients() && len(s.AllowedNames) > 0, given{f.AllowedNames, names}, unused)
	wrong(!s.asksClients() && len(s.AllowedHostnames) > 0, given{f.AllowedHostnames, hosts}, unused)
	wrong(len(s.AllowedNames) > 0 && len(s.AllowedHostnames) > 0, given{f.AllowedNames, names}, fmt.Sprintf("cannot be given together with --%s=%s: choose one of them", cmp.Or(f.AllowedHostnames, "cert-allowed-hostname"), hosts))
	return errors.Join(problems...)
}

// Config is how the server lets clients in: Material.Serving of what its files hold.
func (s Server) Config(policy Policy) (*tls.Config, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	material, err := s.Load(policy)
	if err != nil {
		return nil, err
	}
	return material.Serving()
}

// Client is how the server goes to other servers of its kind: Material.Calling of what its files hold. It needs no
// certificate.
func (s Server) Client(policy Policy) (Client, error) {
	material, err := s.Load(policy)
	if err != nil {
		return nil, err
	}
	return material.Calling, nil
}
