package tlsconfig

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"sync/atomic"
)

// Material is what a Server's files hold, as they are at each handshake: a renewed certificate, an authority that is added
// or removed, a new revocation list count for the next one, without a restart. A change that cannot be used counts for
// nothing, and is logged. Its methods may be called concurrently.
type Material struct {
	server Server
	// policy is what remains of a Policy.
	policy *tls.Config
	// own is shown to clients, and shown to servers where calling is not; nil without a certificate.
	own, calling *kept[*tls.Certificate]
	trusted      *kept[*authorities]
	revoked      *kept[*revoked]
}

// Client says how connections to other servers are made, as the files that it comes from are at that moment: it is asked
// before each. What it returns is the caller's to change. It may be called concurrently.
type Client func() *tls.Config

// Load reads the files of a server, all of which must be right for once.
func (s Server) Load(policy Policy) (*Material, error) {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	m := &Material{server: s, policy: &tls.Config{}}
	var policyErr, ownErr, callingErr, trustedErr, revokedErr error
	m.policy.MinVersion, m.policy.MaxVersion, m.policy.CipherSuites, policyErr = policy.resolve()
	f := s.Flags
	if s.CertFile != "" || s.KeyFile != "" {
		m.own, ownErr = keepPair(s.Log, given{f.Cert, s.CertFile}, given{f.Key, s.KeyFile})
	}
	if s.ClientCertFile != "" || s.ClientKeyFile != "" {
		m.calling, callingErr = keepPair(s.Log, given{f.ClientCert, s.ClientCertFile}, given{f.ClientKey, s.ClientKeyFile})
	} else {
		m.calling = m.own
	}
	if s.TrustedCAFile != "" {
		m.trusted, trustedErr = keepAuthorities(s.Log, given{f.TrustedCA, s.TrustedCAFile})
	}
	if s.CRLFile != "" {
		m.revoked, revokedErr = keepRevoked(s.Log, given{f.CRL, s.CRLFile})
	}
	if err := errors.Join(policyErr, ownErr, callingErr, trustedErr, revokedErr); err != nil {
		return nil, err
	}
	return m, nil
}

// Serving is how clients are let in. It agrees on HTTP/2 or HTTP/1.1; use Speaking to change that. It fails as
// Server.Validate does.
func (m *Material) Serving() (*tls.Config, error) {
	if err := m.server.Validate(); err != nil {
		return nil, err
	}
	config := m.policy.Clone()
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return m.own.current(), nil }
	config.NextProtos = []string{"h2", "http/1.1"}
	if !m.server.asksClients() {
		return config, nil
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = m.trusted.current().pool
	// Not VerifyPeerCertificate, which is skipped when a session is resumed.
	config.VerifyConnection = m.verify
	base := config.Clone()
	var made atomic.Pointer[tls.Config]
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool := m.trusted.current().pool
		if last := made.Load(); last != nil && last.ClientCAs == pool {
			return last, nil
		}
		next := base.Clone()
		next.ClientCAs = pool
		made.Store(next)
		return next, nil
	}
	return config, nil
}

// Calling is how other servers of the same kind are called now, which know this one by the same certificate, or by that of
// ClientCertFile: it shows its certificate, if it has one, to whoever asks, and trusts the authorities of TrustedCAFile, or
// the system's where no file is given. Whom the server would not let in because of CRLFile, AllowedNames or
// AllowedHostnames it does not talk to either. What is returned is the caller's to change.
//
// Servers with certificates that vouch for themselves cannot be told from others. Whoever wants to connect to them must
// set InsecureSkipVerify, and has encryption then but no proof of who answers.
func (m *Material) Calling() *tls.Config {
	config := m.policy.Clone()
	config.VerifyConnection = m.verify
	if m.calling != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return m.calling.current(), nil }
	}
	if m.trusted != nil {
		config.RootCAs = m.trusted.current().pool
	}
	return config
}

// Speaking returns a server's configuration that agrees on one of the protocols, and is the same otherwise. Changing a
// clone's NextProtos is not enough: what each client gets may be made anew.
func Speaking(config *tls.Config, protocols ...string) *tls.Config {
	config = config.Clone()
	config.NextProtos = protocols
	renew := config.GetConfigForClient
	if renew == nil {
		return config
	}
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		made, err := renew(hello)
		if err != nil || made == nil {
			return made, err
		}
		made = made.Clone()
		made.NextProtos = protocols
		return made, nil
	}
	return config
}
