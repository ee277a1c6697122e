package tlsconfig

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
)

// authorities are those of a file, as it is at each handshake: a bundle that an operator adds an authority to, so that
// certificates can be replaced one after the other, counts without a restart. The file is read each time, and parsed when
// it has changed.
type authorities struct {
	file string
	mu   struct {
		sync.Mutex
		pem  []byte
		pool *x509.CertPool
		// server is what the pool is used in by a server, so that sessions of the same authorities can be resumed.
		server *tls.Config
	}
}

// current returns the same pool as long as the file holds the same, or nothing that could be used: it is being written
// anew then.
func (a *authorities) current() (*x509.CertPool, error) {
	pem, err := os.ReadFile(a.file)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.pool != nil && (err != nil || bytes.Equal(pem, a.mu.pem)) {
		return a.mu.pool, nil
	}
	if err != nil {
		return nil, fmt.Errorf("trusted authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		if a.mu.pool != nil {
			return a.mu.pool, nil
		}
		return nil, fmt.Errorf("trusted authorities: %s holds no PEM certificate", a.file)
	}
	a.mu.pem, a.mu.pool, a.mu.server = pem, pool, nil
	return pool, nil
}

// serving has config ask clients for certificates of the current authorities.
func (a *authorities) serving(config *tls.Config) error {
	pool, err := a.current()
	if err != nil {
		return err
	}
	config.ClientCAs = pool
	base := config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool, err := a.current()
		if err != nil {
			return nil, err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.mu.server == nil || a.mu.server.ClientCAs != pool {
			made := base.Clone()
			made.ClientCAs = pool
			a.mu.server = made
		}
		return a.mu.server, nil
	}
	return nil
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
