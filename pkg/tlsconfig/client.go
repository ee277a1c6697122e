package tlsconfig

import "crypto/tls"

// Client says how connections to other servers are made, as the files that it comes from are at that moment: it is asked
// before each. What it returns is the caller's to change. It may be called concurrently.
type Client func() (*tls.Config, error)

// ClientConfig is how the server goes to other servers of its kind: what Client returns now.
func (s Server) ClientConfig(policy Policy) (*tls.Config, error) {
	client, err := s.Client(policy)
	if err != nil {
		return nil, err
	}
	return client()
}

// Client is how the server goes to other servers of its kind, which know it by the same certificate, or by that of
// ClientCertFile: it shows its certificate, if it has one, to whoever asks, and trusts the authorities of TrustedCAFile, or
// the system's where no file is given. All files are read at every handshake, so that renewed ones need no restart; what
// is wrong with them now is an error now.
//
// Servers with certificates that vouch for themselves cannot be told from others. Whoever wants to connect to them must
// set InsecureSkipVerify, and has encryption then but no proof of who answers.
func (s Server) Client(policy Policy) (Client, error) {
	config := &tls.Config{}
	var err error
	if config.MinVersion, config.MaxVersion, config.CipherSuites, err = policy.resolve(); err != nil {
		return nil, err
	}
	if s.ClientCertFile != "" {
		s.CertFile, s.KeyFile = s.ClientCertFile, s.ClientKeyFile
	}
	if s.CertFile != "" || s.KeyFile != "" {
		if _, err := s.certificate(nil); err != nil {
			return nil, err
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return s.certificate(nil) }
	}
	if s.TrustedCAFile == "" {
		return func() (*tls.Config, error) { return config.Clone(), nil }, nil
	}
	trusted := &authorities{file: s.TrustedCAFile}
	if _, err := trusted.current(); err != nil {
		return nil, err
	}
	return func() (*tls.Config, error) {
		pool, err := trusted.current()
		if err != nil {
			return nil, err
		}
		made := config.Clone()
		made.RootCAs = pool
		return made, nil
	}, nil
}
