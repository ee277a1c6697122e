package tlsconfig

import "crypto/tls"

// ClientConfig is how the server goes to other servers of its kind, which know it by the same certificate: it shows its
// certificate, if it has one, to whoever asks, and trusts the authorities of TrustedCAFile, or the system's where no file
// is given. The certificate and the key are read at every handshake, so that renewed ones need no restart.
//
// Servers with certificates that vouch for themselves cannot be told from others. Whoever wants to connect to them must
// set InsecureSkipVerify, and has encryption then but no proof of who answers.
func (s Server) ClientConfig(policy Policy) (*tls.Config, error) {
	config := &tls.Config{}
	var err error
	if config.MinVersion, config.MaxVersion, config.CipherSuites, err = policy.resolve(); err != nil {
		return nil, err
	}
	if s.TrustedCAFile != "" {
		if config.RootCAs, err = readPool(s.TrustedCAFile); err != nil {
			return nil, err
		}
	}
	if s.CertFile == "" && s.KeyFile == "" {
		return config, nil
	}
	if _, err := s.certificate(nil); err != nil {
		return nil, err
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return s.certificate(nil) }
	return config, nil
}
